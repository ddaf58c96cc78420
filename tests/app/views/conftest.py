"""Pages of a lab of their own."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from engine import Lab, RunConfig, apply
from engine.home import Home

MAIN = Path(__file__).parents[3] / "app" / "main.py"
OpenPage = Callable[..., AppTest]


@pytest.fixture
def page(home: Home) -> Iterator[OpenPage]:  # noqa: ARG001 - its lab is the one of the pages
    """Opens a page by name, with the parts of an address."""
    st.cache_resource.clear()

    def opened(view: str = "launch", **address: str) -> AppTest:
        app = AppTest.from_file(str(MAIN), default_timeout=60)
        app.query_params.update(address)
        app.run()
        if view != "launch":
            app.switch_page(f"views/{view}.py")
            app.query_params.update(address)
            app.run()
        assert not app.exception, app.exception[0].value
        return app

    yield opened
    st.cache_resource.clear()


TINY = apply(
    RunConfig(),
    {
        "task.p": 7,
        "model.d_model": 16,
        "model.d_mlp": 16,
        "model.n_heads": 2,
        "training.steps": 60,
        "training.eval_every": 20,
    },
)


@pytest.fixture
def finished(lab: Lab, ended: Callable[[Lab, list[int]], None]) -> int:
    """The number of a run that has ended."""
    (run,) = lab.launch(TINY, name="tiny <b>bold</b>", tags=["first"], notes="**loud** note")
    ended(lab, [run])
    return run


@pytest.fixture
def ended() -> Callable[[Lab, list[int]], None]:
    """Waits until runs have ended."""
    return wait_for_the_end


def wait_for_the_end(lab: Lab, runs: list[int]) -> None:
    """Poll the lab until no run trains any more."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        states = {run["state"] for run in lab.runs(runs)}
        if states <= {"finished", "failed", "stopped"}:
            return
        time.sleep(0.1)
    raise TimeoutError(f"still {states}")
