"""Steps of presets are compiled while nothing trains, and not for longer."""

import json
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from engine.config.presets import PRESETS
from engine.daemon.warmer import Warmer
from engine.home import ENVIRONMENT, Home
from engine.worker.warmth import Warmth


@pytest.fixture
def warmer(home: Home) -> Iterator[Warmer]:
    warmer = Warmer(home.create(), "cpu", idle_seconds=0.0)
    yield warmer
    warmer.end()


def processes(home: Home) -> list[psutil.Process]:
    """Those of one home: the labs of other tests may warm up beside."""
    found: list[psutil.Process] = []
    for process in psutil.Process().children(recursive=True):
        try:
            words, its = process.cmdline(), process.environ().get(ENVIRONMENT)
        except psutil.Error:  # it has just ended, or nobody has reaped it yet
            continue
        if "engine.warming" in words and its == str(home.path):
            found.append(process)
    return found


def until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not claim():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_it_works_at_the_lowest_priority_and_ends_when_a_run_is_queued(home: Home, warmer: Warmer):
    warmer.tick(idle=True)
    until(lambda: any(process.nice() == 19 for process in processes(home)))
    warmer.tick(idle=True)
    assert len(processes(home)) == 1
    warmer.tick(idle=False)
    assert processes(home) == []


def test_it_waits_until_the_lab_has_been_idle_for_a_while(home: Home):
    warmer = Warmer(home.create(), "cpu", idle_seconds=3600.0)
    warmer.tick(idle=True)
    assert processes(home) == []


def test_what_was_compiled_is_not_compiled_again(home: Home, warmer: Warmer):
    warmth = Warmth(home)
    missing = warmth.missing("cpu")
    assert "power" in missing
    assert not {"quick", "composition-small", "composition-paper"} & set(missing)
    for name in missing:
        warmth.add(name)
    assert warmth.missing("cpu") == []
    warmer.tick(idle=True)
    assert processes(home) == []


def test_another_version_of_torch_compiles_everything_again(home: Home):
    warmth = Warmth(home.create())
    before = warmth.missing("cpu")
    warmth.add(before[0])
    assert before[0] not in warmth.missing("cpu")
    file = home.cache / "warm.json"
    content = json.loads(file.read_bytes())
    content["made_by"]["torch"] = "1.0"
    file.write_text(json.dumps(content))
    assert warmth.missing("cpu") == before
    assert set(before) < set(PRESETS)


def test_the_cache_is_its_users_alone(home: Home):
    assert home.create().cache.stat().st_mode & 0o077 == 0
