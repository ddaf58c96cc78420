"""Two page servers and the command line at once on one home: one daemon, the same runs."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine import connect
from engine.home import ENVIRONMENT, Home
from tests.e2e.site import ROOT, Site
from tests.faults.visitor import visiting
from tests.processes import daemons

pytestmark = pytest.mark.long

PRESET = "nanda"
"""Trains for minutes, so that there is something to kill."""


@pytest.fixture
def sites(home: Home):
    """Two page servers of an empty lab."""
    pair = [Site(home), Site(home)]
    yield pair
    for site in pair:
        site.kill()


def test_two_page_servers_and_the_command_line_share_one_lab(home: Home, sites: list[Site]):
    with ThreadPoolExecutor(3) as pool:
        launched = [pool.submit(launch_from_page, site) for site in sites]
        printed = pool.submit(engine, home, "run", PRESET, "--name", "typed", "--json")
        for each in launched:
            each.result()
        (typed,) = printed.result()
    runs = {run["run_id"]: run["name"] for run in connect(home).runs()}
    assert sorted(runs.values()) == [PRESET, PRESET, "typed"]
    assert runs[typed["run_id"]] == "typed"
    assert {run["run_id"]: run["name"] for run in engine(home, "list", "--json")} == runs
    deadline = time.monotonic() + 30
    while len(daemons(home)) > 1:  # those that found another one end by themselves
        assert time.monotonic() < deadline, "more than one daemon"
        time.sleep(0.05)
    for site in sites:
        with visiting(site) as visitor:
            page = "".join(visitor.open("live"))
            assert all(f"{run} · " in page for run in runs)
    for run in runs:
        engine(home, "kill", str(run), "--json")


def launch_from_page(site: Site) -> None:
    with visiting(site.start()) as visitor:
        visitor.open("", f"preset={PRESET}")
        visitor.press("Launch")


def engine(home: Home, *arguments: str):
    """What the command line prints."""
    done = subprocess.run(
        [sys.executable, "-m", "engine", *arguments],
        cwd=ROOT,
        env=os.environ | {ENVIRONMENT: str(home.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)
