"""How anybody may ask the database anything, and change or exhaust nothing."""

import threading

import duckdb
import pyarrow as pa

from engine.errors import QueryRefused
from engine.store.database import AGAIN_SECONDS, Connection, Database

MOST_ROWS = 1_000_000
MOST_BYTES = 64 << 20
_BATCH_ROWS = 2_048


def select(database: Database, sql: str, *, limit: int, timeout_seconds: float) -> pa.Table:
    """The first `limit` rows of a single SELECT; metadata `truncated` says whether there are more.

    Runs in a read-only transaction without access to files, so that nothing is written even by a
    SELECT with side effects.

    Raises:
        QueryRefused: not a single SELECT, wrong, too slow or too large.
    """
    if not 1 <= limit <= MOST_ROWS:
        raise QueryRefused(f"limit must lie between 1 and {MOST_ROWS:,}, got {limit}")
    with database.reading() as cursor:
        late, answered = threading.Event(), threading.Event()

        def interrupt() -> None:
            wait = timeout_seconds
            while not answered.wait(wait):
                late.set()
                cursor.interrupt()
                wait = AGAIN_SECONDS

        watch = threading.Thread(target=interrupt, daemon=True)
        watch.start()
        try:
            _require_select(cursor, sql)
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            return _first_rows(cursor, sql, limit)
        except duckdb.FatalException:
            raise
        except (duckdb.InterruptException, OSError):
            # Arrow passes an interruption in the middle of the rows on as an OSError
            if not late.is_set():
                raise
            raise QueryRefused(
                f"the query took longer than {timeout_seconds:g} s; narrow it with WHERE or LIMIT"
            ) from None
        except duckdb.Error as error:
            raise QueryRefused(f"the query failed: {str(error).strip()}") from None
        finally:
            answered.set()
            watch.join()


def _require_select(cursor: Connection, sql: str) -> None:
    try:
        sql.encode()
    except UnicodeEncodeError:
        raise QueryRefused("the query is not valid Unicode; nothing was asked") from None
    statements = cursor.extract_statements(sql)
    if len(statements) != 1:
        raise QueryRefused(f"give one SELECT statement at a time, got {len(statements)}")
    kind = statements[0].type
    if kind is not duckdb.StatementType.SELECT:
        raise QueryRefused(f"only SELECT is allowed, got {kind.name}; nothing was changed")


def _first_rows(cursor: Connection, sql: str, limit: int) -> pa.Table:
    reader = cursor.sql(sql).to_arrow_reader(_BATCH_ROWS)
    batches: list[pa.RecordBatch] = []
    n_rows = n_bytes = 0
    for batch in reader:
        batches.append(batch)
        n_rows += batch.num_rows
        n_bytes += batch.nbytes
        if n_bytes > MOST_BYTES:
            raise QueryRefused(
                f"the answer is larger than {MOST_BYTES >> 20} MiB; select fewer rows or columns"
            )
        if n_rows > limit:
            break
    table = pa.Table.from_batches(batches, reader.schema)
    reader.close()
    return table.slice(0, limit).replace_schema_metadata(
        {"truncated": str(n_rows > limit).lower()}
    )
