"""What may be asked in SQL, and that nothing can be changed that way."""

import threading

import pytest

from engine.errors import QueryRefused
from engine.store import Store
from tests.engine.store.writing import CONFIG


@pytest.fixture
def one_run(store: Store) -> Store:
    store.create_run(name="only", config=CONFIG)
    return store


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM runs",
        "FROM runs SELECT name",
        "WITH r AS (FROM runs) SELECT name FROM r; ",
        "SELECT name FROM runs -- a comment",
    ],
)
def test_a_select_is_answered(one_run: Store, sql: str):
    assert one_run.select(sql)["name"].to_pylist() == ["only"]


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "-- nothing",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE runs",
        "DROP TABLE runs",
        "DELETE FROM runs",
        "UPDATE runs SET name = 'x'",
        "INSERT INTO runs SELECT * FROM runs",
        "WITH gone AS (DELETE FROM runs RETURNING *) SELECT * FROM gone",
        "WITH more AS (INSERT INTO runs SELECT * FROM runs RETURNING *) SELECT * FROM more",
        "CREATE TABLE t AS SELECT 1",
        "SELECT * INTO t FROM runs",
        "COPY runs TO '/tmp/runs.csv'",
        "ATTACH '/tmp/other.duckdb'",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "CALL enable_logging()",
        "SELECT * FROM enable_logging()",
        "SELECT * FROM force_checkpoint()",
        "SELECT * FROM query('DROP TABLE runs')",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT nonsense FROM runs",
        "SELECT FROM WHERE",
        "SELECT 1 /* \x00",
        "SELECT '\ud800'",
    ],
)
def test_anything_else_is_refused_and_changes_nothing(one_run: Store, sql: str):
    before = one_run.runs()
    with pytest.raises(QueryRefused):
        one_run.select(sql)
    assert one_run.runs() == before
    assert one_run.select("SELECT count(*) AS n FROM runs")["n"].to_pylist() == [1]


def test_a_refusal_names_what_was_given(one_run: Store):
    with pytest.raises(QueryRefused, match="only SELECT is allowed, got DELETE"):
        one_run.select("DELETE FROM runs")
    with pytest.raises(QueryRefused, match="one SELECT statement at a time, got 2"):
        one_run.select("SELECT 1; SELECT 2")
    with pytest.raises(QueryRefused, match="nonsense"):
        one_run.select("SELECT nonsense FROM runs")


def test_more_rows_than_the_limit_are_cut_and_said_so(store: Store):
    table = store.select("SELECT * FROM range(100000000000)", limit=7)
    assert table["range"].to_pylist() == list(range(7))
    assert table.schema.metadata[b"truncated"] == b"true"
    exactly = store.select("SELECT * FROM range(7)", limit=7)
    assert exactly.schema.metadata[b"truncated"] == b"false"


@pytest.mark.parametrize("limit", [0, -1, 10**9])
def test_a_limit_out_of_range_is_refused(store: Store, limit: int):
    with pytest.raises(QueryRefused, match="limit must lie between"):
        store.select("SELECT 1", limit=limit)


def test_a_query_that_takes_too_long_is_ended(one_run: Store):
    with pytest.raises(QueryRefused, match=r"longer than 0\.3 s"):
        one_run.select(
            "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range = -b.range",
            timeout_seconds=0.3,
        )
    assert one_run.select("SELECT 1 AS one")["one"].to_pylist() == [1]


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.002, 0.004])
def test_a_time_that_is_up_before_the_query_begins_ends_it_all_the_same(
    one_run: Store, seconds: float
):
    """DuckDB forgets an interruption that falls between two statements."""
    refusals: list[str] = []

    def ask() -> None:
        for _ in range(20):
            with pytest.raises(QueryRefused) as refused:
                one_run.select(
                    "SELECT sum(a.range) FROM range(9999999) a, range(9999999) b",
                    timeout_seconds=seconds,
                )
            refusals.append(str(refused.value))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(timeout=30)
    assert len(refusals) == 20
    assert all("took longer than" in refusal for refusal in refusals)


def test_an_answer_that_is_too_large_is_refused(one_run: Store):
    with pytest.raises(QueryRefused, match=r"larger than|longer than|failed"):
        one_run.select("SELECT repeat('x', 1000000) FROM range(1000)")
    assert len(one_run.runs()) == 1


def test_a_query_is_no_obstacle_to_writing(one_run: Store):
    begun = threading.Event()

    def ask() -> None:
        begun.set()
        with pytest.raises(QueryRefused):
            one_run.select(
                "SELECT sum(a.range) FROM range(9999999) a, range(9999999) b", timeout_seconds=2.0
            )

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    begun.wait()
    one_run.update_run(1, name="renamed")
    assert asking.is_alive()
    asking.join()
    assert one_run.runs()[0]["name"] == "renamed"
