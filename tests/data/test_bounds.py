"""A refusal for a share names the bound: that share will do, and the next one will not."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from data import TaskSettings, TriplesSettings, task_sizes
from data.errors import SettingsError
from data.fraction import check_fraction
from data.uploads import shelf

STEP = 0.0001
FEW: dict[str, Any] = {"n_entities": 50, "out_degree": 5}
CASES: list[tuple[str, dict[str, Any]]] = [
    (
        "ood_share",
        {"kind": "composition", **FEW, "ood_share": 0.01, "holdout_share": 0.5, "phi": 1},
    ),
    ("holdout_share", {"kind": "composition", **FEW, "ood_share": 0.4, "phi": 0.1}),
    ("ood_share", {"kind": "comparison", "n_entities": 100, "n_attributes": 2, "ood_share": 0.01}),
    (
        "holdout_share",
        {"kind": "comparison", "n_entities": 20, "phi": 1, "holdout_share": 0.001},
    ),
    ("ood_share", {"kind": "search", "n_entities": 100, "n_attributes": 2, "ood_share": 0.02}),
    (
        "holdout_share",
        {"kind": "search", "n_entities": 20, "ood_share": 0.2, "holdout_share": 0.001},
    ),
    (
        "shown_share",
        {"kind": "search", "n_entities": 2000, "n_attributes": 90, "shown_share": 0.5},
    ),
    (
        "train_fraction",
        {"kind": "in_context", "p": 11, "n_shots": 20, "n_rectangles": 3, "train_fraction": 0.1},
    ),
    (
        "train_fraction",
        {"kind": "in_context", "p": 11, "n_shots": 20, "n_rectangles": 3, "train_fraction": 0.95},
    ),
]
ids = pytest.mark.parametrize(("name", "given"), CASES, ids=lambda case: str(case)[:40])


def refusal(given: dict[str, Any]) -> str:
    """What is said of the settings; empty where they are accepted."""
    try:
        TypeAdapter[TaskSettings](TaskSettings).validate_python(given)
    except ValidationError as error:
        return str(error.errors()[0]["ctx"]["error"])
    return ""


@ids
def test_the_bound_that_a_refusal_names_is_the_tightest(name: str, given: dict[str, Any]):
    said = refusal(given)
    assert said.startswith(f"{name} must")
    found = re.search(r"give at (least|most) ([\d.]+)", said)
    assert found, said
    bound, back = float(found[2]), -STEP if found[1] == "least" else STEP
    assert refusal(given | {name: bound}) == ""
    assert refusal(given | {name: round(bound + back, 4)}).startswith(f"{name} must")


def test_where_no_share_will_do_only_what_else_would_is_named():
    said = refusal({"kind": "in_context", "p": 5, "n_shots": 20, "n_rectangles": 3})
    assert re.fullmatch(r"train_fraction .* to test on; give fewer shots or a larger p", said)
    sparse = {"n_entities": 10_000, "out_degree": 2, "n_new": 20, "ood_share": 0.5, "phi": 0.9}
    said = refusal({"kind": "transfer", **sparse})
    assert re.fullmatch(r"n_retained .* \(about 5.7 times\); raise n_new or lower phi", said)


def test_too_few_retained_rows_are_refused_with_how_many_will_do():
    given = {"kind": "transfer", "n_retained": 100, "phi": 9}
    found = re.search(r"n_retained must .* got 100 .*; give at least ([\d,]+), or", refusal(given))
    assert found
    bound = int(found[1].replace(",", ""))
    assert refusal(given | {"n_retained": bound}) == ""
    assert refusal(given | {"n_retained": bound - 1}).startswith("n_retained must")


def test_a_table_of_which_nothing_is_left_is_refused_with_the_share_that_leaves_a_row():
    with pytest.raises(ValueError, match=r"test split, got 1; give at most 0.875"):
        check_fraction(8, 1.0, rows="rows")
    check_fraction(8, 0.875, rows="rows")
    with pytest.raises(ValueError, match=r"needs at least two rows, .* got 1; give more rows"):
        check_fraction(1, 0.5, rows="rows")


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An upload of forty facts in a row."""
    monkeypatch.setenv("GROKKING_LAB_HOME", str(tmp_path))
    return shelf.keep(b"".join(b"a%d,r,a%d\n" % (i, i + 1) for i in range(40)))


def test_an_uploads_graph_is_refused_with_the_least_share_that_leaves_an_inferred_fact(chain: str):
    def said(share: float) -> str:
        try:
            task_sizes(TriplesSettings(sha256=chain, ood_share=share))
        except SettingsError as error:
            return str(error)
        return ""

    found = re.search(
        r"ood_share must .* got 0.02, .*; give at least ([\d.]+), .* give 0", said(0.02)
    )
    assert found
    assert said(float(found[1])) == ""
    assert said(float(found[1]) - STEP).startswith("ood_share must")


def test_an_uploads_graph_is_refused_with_the_largest_share_that_leaves_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GROKKING_LAB_HOME", str(tmp_path))
    name = shelf.keep(b"a,r,b\nb,r,c\nc,r,d\nd,r,e\n")
    with pytest.raises(
        SettingsError, match=r"ood_share must .* got 0.5, .*; give at most 0.\d+, or"
    ):
        task_sizes(TriplesSettings(sha256=name, ood_share=0.5))
    few = shelf.keep(b"a,r,b\nb,r,c\nx,r,y\n")
    with pytest.raises(SettingsError, match=r"got 0, which leaves 1; upload more facts$"):
        task_sizes(TriplesSettings(sha256=few, ood_share=0))
