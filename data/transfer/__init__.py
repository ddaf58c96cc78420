"""New facts taught to a network that composes old ones, after He et al. 2026, section 5."""
