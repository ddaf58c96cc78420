"""What is recorded: DuckDB, owned by one process; nothing else in the lab speaks SQL."""

from engine.store.ingest import Ingested
from engine.store.store import Store

__all__ = ["Ingested", "Store"]
