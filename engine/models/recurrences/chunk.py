"""How many steps a per-channel decay is split over at once (no torch: settings count with it)."""

CHUNK = 8
"""Steps whose decays are split into a query's and a key's factor; the state goes on between."""
