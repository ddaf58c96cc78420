"""What an exported figure is drawn from."""

from typing import Any

import pytest

from app.live.stream import View
from app.panels import exports
from tests.app.recorded import run


class Lab:
    """A lab in which the run has grokked since the page was drawn."""

    def runs(self, run_ids: list[int]) -> list[dict[str, Any]]:
        marker = {"split": "test", "kind": "grokked", "step": 700}
        return [dict(run(run_id=run_id, markers=[marker])) for run_id in run_ids]

    def events(self, run_ids: list[int]) -> list[dict[str, Any]]:  # noqa: ARG002
        return []


def test_a_figure_has_the_markers_of_the_moment_in_which_it_is_drawn(
    monkeypatch: pytest.MonkeyPatch,
):
    drawn: dict[str, Any] = {}

    def keep(_: object, tables: dict[str, Any], **told: object) -> bytes:
        drawn.update(tables | told)
        return b""

    monkeypatch.setattr(exports.session, "lab", Lab)
    monkeypatch.setattr(exports, "read_lines", lambda *_: ([], 0))
    monkeypatch.setattr(exports, "rendered", keep)
    view = View(((1, "run 1"),), "split", log_x=True, measures=(), range=None, note="")
    exports._figure_of(view, form="svg", theme="light", title="")()
    assert [(row["kind"], row["step"]) for row in drawn["markers"]] == [("grokked", 700)]
