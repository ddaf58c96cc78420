"""Composition of facts over the user's own graph."""
