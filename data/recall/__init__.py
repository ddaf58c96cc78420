"""Recall of values by their keys, after Arora et al. 2024."""
