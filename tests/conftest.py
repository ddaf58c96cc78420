"""One thread, a lab of its own for every test, and no process left behind."""

import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import jaxtyping
import pytest

from engine import Lab, connect
from engine.daemon.fleet import STANDBY
from engine.home import ENVIRONMENT, Home
from tests.labs import empty
from tests.processes import daemon_pid, end_all

# A worker that waits loads torch, and most tests start a daemon without ever training.
os.environ.setdefault(STANDBY, "0")

SHARED = "shared_lab"


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The home of all tests that are marked `shared_lab`: its daemon starts once."""
    home = Home(tmp_path_factory.mktemp("shared") / "lab")
    yield home
    end_all(home)


@pytest.fixture
def home(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Home]:
    """An empty home, also for child processes; whatever runs in it is ended afterwards."""
    shared = request.node.get_closest_marker(SHARED) is not None
    home = request.getfixturevalue("shared_home") if shared else Home(tmp_path / "lab")
    monkeypatch.setenv(ENVIRONMENT, str(home.path))
    yield home
    if not shared:
        end_all(home)
    elif daemon_pid(home) is not None:
        empty(connect(home))


@pytest.fixture
def lab(home: Home) -> Lab:
    """A client of a fresh lab, whose daemon starts at the first call."""
    return connect(home)


@pytest.fixture
def unchecked_shapes() -> Iterator[None]:
    """Thousands of steps without the checks of shapes, which take most of their time.

    The checks see every network, loss and optimiser in tests that take a few steps.
    """
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start first what takes longest, so that no test process waits alone for it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    for item in items:
        if item.get_closest_marker(SHARED) is not None:
            item.add_marker(pytest.mark.xdist_group(SHARED))
