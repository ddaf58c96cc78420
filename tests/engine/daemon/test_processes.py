"""What a worker finds in its environment."""

import pytest

from engine.daemon.processes import SPINS, environment
from engine.home import Home


def test_threads_without_work_soon_sleep(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    assert environment(home, threads=2)["GOMP_SPINCOUNT"] == str(SPINS)


def test_what_the_user_has_set_stays(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/elsewhere")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")  # of a run its setting says how many
    found = environment(home, threads=2)
    assert found["GOMP_SPINCOUNT"] == "7"
    assert found["TORCHINDUCTOR_CACHE_DIR"] == "/elsewhere"
    assert found["OMP_NUM_THREADS"] == "2"
