"""Without an engine the pages say so, offer to try again, and show no traceback."""

from pathlib import Path

import pytest

from engine.home import ENVIRONMENT
from tests.app.views.conftest import OpenPage
from tests.app.views.test_launch import texts


@pytest.mark.parametrize("view", ["live", "runs"])
def test_a_page_without_an_engine_says_so_and_offers_to_try_again(
    page: OpenPage, view: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    blocked = tmp_path / "not-a-folder"
    blocked.write_text("a file where the home should be")
    monkeypatch.setenv(ENVIRONMENT, str(blocked))
    app = page(view)
    assert texts(app.error)
    assert "Traceback" not in texts(app.error)
    assert app.button(key="retry-engine").label == "Try again"
