"""Only data that can be trained on is taken in, and what comes back trains on it."""

from pathlib import Path

import pytest

from data import build_task
from data.errors import UploadRefused
from data.uploads.take import take
from engine import parse_config


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab without uploads."""
    monkeypatch.setenv("GROKKING_LAB_HOME", str(tmp_path / "lab"))
    return tmp_path


@pytest.mark.usefixtures("home")
def test_the_settings_that_come_back_train_on_the_file():
    text = "a,b,sum\n" + "".join(f"{a},{b},{a + b}\n" for a in range(9) for b in range(9))
    config = parse_config({"task": take(text.encode(), kind="table", header=True)})
    task = build_task(config.task, seed=0)
    assert sum(map(len, task.splits.values())) == 81
    assert task.n_classes == 17


@pytest.mark.parametrize(
    ("text", "header", "rows"),
    [
        ("a,r,b\n", False, "1 row"),
        ("head,relation,tail\na,r,b\n", True, "1 row beside the header"),
    ],
)
def test_a_single_row_is_not_kept_as_nothing_could_be_held_out(
    text: str, header: bool, rows: str, home: Path
):
    for kind in ("table", "triples"):
        with pytest.raises(UploadRefused) as refused:
            take(text.encode(), kind=kind, header=header)
        assert str(refused.value) == (
            f"the upload has {rows}; give at least 2, one to train on and one for the test split"
        )
    assert not (home / "lab").exists()


def test_a_table_that_is_no_list_of_triples_is_not_kept_as_one(home: Path):
    with pytest.raises(UploadRefused, match="line 1 has 2 fields instead of 3"):
        take(b"a,b\nb,c\n", kind="triples")
    assert not (home / "lab").exists()
    assert take(b"a,b\nb,c\n", kind="table")["kind"] == "table"
