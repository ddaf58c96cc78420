"""Where a lab lives when nobody says so."""

from pathlib import Path

import pytest

from engine.home import ENVIRONMENT, Home
from engine.version import ROOT


def test_the_lab_is_that_of_the_checkout_from_wherever_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.chdir(tmp_path)
    assert Home.from_environment().path == ROOT / ".lab"
    monkeypatch.setenv(ENVIRONMENT, "mine")
    assert Home.from_environment().path == tmp_path / "mine"
