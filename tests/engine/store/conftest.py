"""A store of its own for every test, and runs whose journals the test writes."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine import journal
from engine.home import RunFolder
from engine.store import Store
from tests.engine.store.writing import CONFIG, Recorded


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lab.duckdb"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store(path)
    yield store
    store.close()


@pytest.fixture
def record(store: Store, tmp_path: Path) -> Callable[..., Recorded]:
    """Make a run with a journal that has its first line."""

    def make(config: Mapping[str, Any] = CONFIG, **told: Any) -> Recorded:
        run_id = store.create_run(name=told.pop("name", "a run"), config=dict(config), **told)
        run = Recorded(run_id, RunFolder(tmp_path / "runs" / str(run_id)).create())
        store.begin_attempt(run_id, 1, 0)
        run.write(
            journal.start_line(attempt=1, from_step=0, pid=1, device="cpu", threads=1, versions={})
        )
        return run

    return make
