"""Comparisons that need other facts to be found first, after Wang et al. 2024, section 5."""
