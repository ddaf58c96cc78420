"""Whether exported numbers are those that were recorded."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest

from engine.errors import NotPossible, RunNotFound, SettingsError
from engine.store import Store
from tests.engine.store.writing import Recorded

COLUMNS = ["run_id", "name", "seed", "step", "split", "metric", "value"]


@pytest.fixture
def two_runs(store: Store, record: Callable[..., Recorded]) -> list[int]:
    ids: list[int] = []
    for name in ("plain", 'with "quotes", commas\nand <b>'):
        run = record(name=name)
        run.evaluations(1, 2, 3)
        store.ingest(run.run_id, run.folder.path)
        ids.append(run.run_id)
    return ids


def test_every_format_holds_the_same_points(store: Store, two_runs: list[int], tmp_path: Path):
    for suffix in ("parquet", "csv", "json"):
        store.export(two_runs, tmp_path / f"points.{suffix}")
    parquet = pyarrow.parquet.read_table(tmp_path / "points.parquet")
    assert parquet.column_names == COLUMNS
    assert parquet.num_rows == 2 * 3 * 5
    rows = parquet.to_pylist()
    assert json.loads((tmp_path / "points.json").read_text()) == rows
    options = pyarrow.csv.ParseOptions(newlines_in_values=True)
    texts = pyarrow.csv.ConvertOptions(strings_can_be_null=False)
    table = pyarrow.csv.read_csv(
        tmp_path / "points.csv", parse_options=options, convert_options=texts
    )
    assert table.to_pylist() == rows


def test_only_the_named_runs_are_exported(store: Store, two_runs: list[int], tmp_path: Path):
    store.export(two_runs[:1], tmp_path / "one.json")
    assert {row["run_id"] for row in json.loads((tmp_path / "one.json").read_text())} == {
        two_runs[0]
    }


def test_no_points_are_an_empty_array(store: Store, tmp_path: Path):
    store.export([], tmp_path / "none.json")
    assert json.loads((tmp_path / "none.json").read_text()) == []


def test_a_run_that_is_not_there_is_named_and_no_file_appears(
    store: Store, two_runs: list[int], tmp_path: Path
):
    with pytest.raises(RunNotFound, match="there is no run 99; the latest is run 2"):
        store.export([*two_runs, 99], tmp_path / "points.csv")
    assert list(tmp_path.glob("points*")) == []


@pytest.mark.parametrize("name", ["points.xlsx", "points"])
def test_another_suffix_is_refused_with_those_that_work(store: Store, tmp_path: Path, name: str):
    with pytest.raises(SettingsError, match=r"\.parquet, \.csv, \.json"):
        store.export([1], tmp_path / name)
    assert list(tmp_path.glob("points*")) == []


@pytest.mark.parametrize("suffix", ["parquet", "csv", "json"])
def test_a_folder_that_is_not_there_is_named(
    store: Store, two_runs: list[int], tmp_path: Path, suffix: str
):
    with pytest.raises(NotPossible, match=f"^the folder {tmp_path}/nowhere does not exist; "):
        store.export(two_runs, tmp_path / "nowhere" / f"points.{suffix}")


@pytest.mark.parametrize("suffix", ["parquet", "csv", "json"])
def test_a_file_that_cannot_be_is_named_with_the_reason(
    store: Store, two_runs: list[int], tmp_path: Path, suffix: str
):
    file = tmp_path / f"{'a' * 300}.{suffix}"
    with pytest.raises(NotPossible, match=f"^{file} cannot be written: File name too long$"):
        store.export(two_runs, file)
    (tmp_path / "file").touch()
    with pytest.raises(NotPossible, match=r"points.* cannot be written: Not a directory$"):
        store.export(two_runs, tmp_path / "file" / f"points.{suffix}")
