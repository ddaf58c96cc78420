"""Whether what a figure asks for keeps what matters in the curve."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import SettingsError
from engine.store import Store
from engine.store.database import Database
from engine.store.rows import insert
from tests.engine.store.writing import CONFIG

LONG = 1_000_000


def filled(path: Path, values: np.ndarray, first_step: int = 1) -> Store:
    """A store with one run and one curve."""
    store = Store(path)
    run_id = store.create_run(name="filled", config=CONFIG)
    store.close()
    database = Database(path)
    with database.writing() as cursor:
        add_curve(cursor, run_id, values, first_step)
    database.close()
    return Store(path)


def add_curve(cursor: object, run_id: int, values: np.ndarray, first_step: int = 1) -> None:
    n = len(values)
    given = {
        "run_id": pa.array(np.full(n, run_id), pa.int32()),
        "step": pa.array(np.arange(first_step, first_step + n)),
        "split": pa.array(["train"] * n),
        "metric": pa.array(["loss"] * n),
        "value": pa.array(values, pa.float64()),
    }
    insert(cursor, "metrics", pa.table(given))  # pyright: ignore[reportArgumentType]
    cursor.execute("UPDATE runs SET last_step = ?", [first_step + n - 1])  # pyright: ignore


@pytest.fixture(scope="module")
def spiked(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A million points with one spike up and one down."""
    values = np.ones(LONG)
    values[777_776], values[333_332] = 50.0, -50.0
    return filled(tmp_path_factory.mktemp("spiked") / "lab.duckdb", values)


@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize("buckets", [10, 400, 3000])
@pytest.mark.parametrize(("lo", "hi"), [(1, None), (300_000, 800_000), (333_000, 778_000)])
def test_a_spike_among_a_million_points_survives_every_range(
    spiked: Store, log: bool, buckets: int, lo: int, hi: int | None
):
    table = spiked.curves([1], metrics=["loss"], lo=lo, hi=hi, buckets=buckets, log=log)
    points = dict(zip(table["step"].to_pylist(), table["value"].to_pylist(), strict=True))
    assert points[777_777] == 50.0
    assert points[333_333] == -50.0


def test_the_caption_can_say_how_many_points_of_how_many_are_shown(spiked: Store):
    table = spiked.curves([1], metrics=["loss"], buckets=100)
    assert table.schema.metadata == {
        b"n_total": str(LONG).encode(),
        b"n_shown": str(table.num_rows).encode(),
    }
    assert table.num_rows <= 2 * 100 + 2


def test_log_buckets_are_as_wide_as_their_step_is_large(spiked: Store):
    table = spiked.curves([1], metrics=["loss"], buckets=60)
    steps = np.unique(table["step"].to_numpy())
    decades = np.histogram(np.log10(steps), bins=[1, 2, 3, 4, 5, 6])[0]
    assert decades.max() <= 2 * decades.min() + 2


values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=80)


@given(
    values=values,
    lo=st.integers(0, 90),
    width=st.integers(0, 90),
    buckets=st.integers(1, 40),
    log=st.booleans(),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_ends_and_extremes_of_any_range_are_shown(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[float],
    lo: int,
    width: int,
    buckets: int,
    log: bool,
):
    store = filled(tmp_path_factory.mktemp("any") / "lab.duckdb", np.array(values), first_step=0)
    table = store.curves([1], metrics=["loss"], lo=lo, hi=lo + width, buckets=buckets, log=log)
    store.close()
    inside = dict(list(enumerate(values))[lo : lo + width + 1])
    shown = dict(zip(table["step"].to_pylist(), table["value"].to_pylist(), strict=True))
    assert shown.items() <= inside.items()
    assert table.schema.metadata[b"n_total"] == str(len(inside)).encode()
    if inside:
        assert {min(inside), max(inside)} <= shown.keys()
        assert min(shown.values()) == min(inside.values())
        assert max(shown.values()) == max(inside.values())


def test_curves_come_in_order_of_steps(spiked: Store):
    steps = spiked.curves([1], metrics=["loss"])["step"].to_numpy()
    assert (np.diff(steps) > 0).all()


def test_other_splits_and_metrics_stay_away(spiked: Store):
    assert spiked.curves([1], metrics=["accuracy"]).num_rows == 0
    assert spiked.curves([1], metrics=["loss"], splits=["test"]).num_rows == 0
    assert spiked.curves([1], metrics=["loss"], splits=["train"]).num_rows > 0
    assert spiked.curves([], metrics=["loss"]).num_rows == 0
    assert spiked.curves([99], metrics=["loss"]).num_rows == 0


def test_an_empty_range_and_too_many_buckets_are_refused(spiked: Store):
    with pytest.raises(SettingsError, match="range of steps"):
        spiked.curves([1], lo=10, hi=5)
    with pytest.raises(SettingsError, match="buckets"):
        spiked.curves([1], buckets=0)


def test_rows_past_a_cursor_are_those_that_are_new(spiked: Store):
    table = spiked.rows_after({1: LONG - 3}, metrics=["loss"])
    assert table["step"].to_pylist() == [LONG - 2, LONG - 1, LONG]
    assert spiked.rows_after({1: LONG}, metrics=["loss"]).num_rows == 0
    assert spiked.rows_after({}, metrics=["loss"]).num_rows == 0


def test_a_long_way_behind_is_caught_up_in_whole_steps(spiked: Store):
    seen, cursor = 0, LONG - 450_000
    while table := spiked.rows_after({1: cursor}, metrics=["loss"]):
        seen += table.num_rows
        cursor = table["step"][-1].as_py()
    assert seen == 450_000


def test_every_run_has_its_own_cursor(tmp_path: Path):
    path = tmp_path / "lab.duckdb"
    filled(path, np.arange(100.0)).close()
    store = Store(path)
    second = store.create_run(name="second", config=CONFIG)
    store.close()
    database = Database(path)
    with database.writing() as cursor:
        add_curve(cursor, second, np.arange(5.0))
    database.close()
    store = Store(path)
    table = store.rows_after({1: 98, second: 3}, metrics=["loss"])
    store.close()
    rows = list(zip(table["run_id"].to_pylist(), table["step"].to_pylist(), strict=True))
    assert sorted(rows) == [(1, 99), (1, 100), (second, 4), (second, 5)]
