"""How fast the lab is on this machine: measurements that print ratios taken in one run."""

from engine.bench.measure import measure

__all__ = ["measure"]
