"""Whether the daemon is well: versions, database, disk and processes."""

import os
import platform
import shutil
from importlib.metadata import version
from typing import Any

import psutil

from engine.home import Home
from engine.store import Store


def health(home: Home, store: Store) -> dict[str, Any]:
    """Figures of the daemon that answers: process, database size, free disk, versions."""
    process = psutil.Process()
    return {
        "pid": os.getpid(),
        "home": str(home.path),
        "rss_bytes": process.memory_info().rss,
        "threads": process.num_threads(),
        "database_bytes": home.database.stat().st_size if home.database.exists() else 0,
        "disk_free_bytes": shutil.disk_usage(home.path).free,
        "runs": len(store.runs()),
        "python": platform.python_version(),
        "duckdb": version("duckdb"),
        "pyarrow": version("pyarrow"),
    }
