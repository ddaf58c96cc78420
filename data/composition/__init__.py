"""Facts composed along a random knowledge graph, after Wang et al. 2024 (arXiv 2405.15071)."""
