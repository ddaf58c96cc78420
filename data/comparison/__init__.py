"""Which of two entities has more of an attribute, after Wang et al. 2024 (arXiv 2405.15071)."""
