"""Decoders whose layers mix time steps by attention or by a linear recurrence."""
