"""Parity of a few bits among many, after Barak et al. 2022."""
