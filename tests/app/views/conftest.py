"""Pages of a lab of their own."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from engine import RunConfig, apply, connect
from engine.home import Home
from tests.labs import ends
from tests.processes import end_daemon

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


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home whose only run has ended, and in which nothing works any more."""
    home = Home(tmp_path_factory.mktemp("trained") / "lab")
    lab = connect(home)
    (run,) = lab.launch(TINY, name="tiny <b>bold</b>", tags=["first"], notes="**loud** note")
    ends(lab, run)
    end_daemon(home, gently=True)
    return home


@pytest.fixture
def finished(home: Home, trained: Home) -> int:
    """The number of a run that has ended, the only one of the lab."""
    shutil.copytree(trained.path, home.path)
    return 1
