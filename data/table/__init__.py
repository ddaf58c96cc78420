"""Lookup in the user's own table."""
