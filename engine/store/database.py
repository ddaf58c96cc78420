"""Who holds the DuckDB file open: one writer at a time, and the way back from a fatal error."""

import contextlib
import threading
import time
from collections.abc import Generator
from pathlib import Path

import duckdb
import psutil

from engine.errors import StoreUnavailable

Connection = duckdb.DuckDBPyConnection

AGAIN_SECONDS = 0.02
"""DuckDB forgets an interruption that falls between two statements: so long until the next."""

_SCHEMA = Path(__file__).with_name("schema.sql")
_FATAL = (duckdb.FatalException, duckdb.InternalException)
_PASSING = (
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.TransactionException,
    duckdb.ConnectionException,
)
_NOT_THE_FILES_FAULT = ("not set lock", "ermission denied", "No space left", "Is a directory")
_DAMAGE = ("Corrupt database file", "Could not read enough bytes")
_HEADERS_BYTES = 3 * 4096
_PATIENCE_SECONDS = 10.0
_MEMORY_SHARE = 0.25
_MEMORY_BYTES = 4 << 30


class UnreadableDatabase(StoreUnavailable):
    """The file is there, nobody else holds it, and it is no database that can be opened."""


class Database:
    """The only holder of the database file.

    DuckDB lets one process open a file for writing, and then no other may read it. After a fatal
    error (a full disk while a checkpoint is written) every statement fails until all connections
    are closed: then everything is closed and opened again here, and the caller starts over from
    what is stored, because the failed transaction may have been committed all the same.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = threading.RLock()
        self._turn = threading.Condition()
        self._readers: set[Connection] = set()
        self._closed = False
        self._connection: Connection | None = None
        self._version = time.time_ns() // 1_000_000
        self._connect()

    @property
    def version(self) -> int:
        """A number that grows with every change, across restarts too."""
        return self._version

    @contextlib.contextmanager
    def writing(self) -> Generator[Connection]:
        """A transaction: committed at the end, undone by any exception. One at a time.

        Raises:
            StoreUnavailable: the database cannot be written now; whether this transaction was
                committed must be read from the database.
        """
        with self._writer:
            with self._borrowed("written") as cursor:
                cursor.begin()
                try:
                    yield cursor
                    cursor.commit()
                except BaseException:
                    with contextlib.suppress(duckdb.Error):
                        cursor.rollback()
                    raise
            self._version += 1

    @contextlib.contextmanager
    def reading(self) -> Generator[Connection]:
        """A cursor of its own, which sees what is committed and waits for no writer."""
        with self._borrowed("read") as cursor:
            yield cursor

    def close(self) -> None:
        """Close the file; what is committed stays."""
        with self._writer:
            self._closed = True
            self._disconnect()

    @contextlib.contextmanager
    def _borrowed(self, purpose: str) -> Generator[Connection]:
        cursor = self._cursor()
        try:
            yield cursor
        except _FATAL as error:
            self._give_back(cursor)
            self._reopen(cursor)
            raise StoreUnavailable(_told(purpose, error)) from error
        except _PASSING as error:
            raise StoreUnavailable(_told(purpose, error)) from error
        except duckdb.Error as error:
            if not _is_damage(error):
                raise
            raise StoreUnavailable(_told(purpose, error)) from error
        finally:
            self._give_back(cursor)

    def _cursor(self) -> Connection:
        with self._turn:
            if self._connection is None:
                if self._closed:
                    raise StoreUnavailable("the database is closed; start the engine again")
                self._connect()
            assert self._connection is not None
            cursor = self._connection.cursor()
            self._readers.add(cursor)
            return cursor

    def _give_back(self, cursor: Connection) -> None:
        with self._turn:
            if cursor in self._readers:
                self._readers.discard(cursor)
                cursor.close()
                self._turn.notify_all()

    def _reopen(self, failed: Connection) -> None:
        with self._turn:
            if failed in self._readers or self._connection is None:
                return
            try:
                self._connection.execute("SELECT 1")
            except duckdb.Error:
                self._disconnect()

    def _disconnect(self) -> None:
        with self._turn:
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while self._readers and time.monotonic() < deadline:
                for cursor in self._readers:
                    cursor.interrupt()
                self._turn.wait(AGAIN_SECONDS)
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _connect(self) -> None:
        connection: Connection | None = None
        try:
            connection = duckdb.connect(str(self.path), config=_settings(self.path))
            _require_whole(connection, self.path)
            connection.execute(_SCHEMA.read_text())
        except duckdb.Error as error:
            if connection is not None:
                connection.close()  # else the next one to the same path would be this one again
            passing = any(words in str(error) for words in _NOT_THE_FILES_FAULT)
            kind = StoreUnavailable if passing or not self.path.exists() else UnreadableDatabase
            raise kind(_told("opened", error)) from error
        self._connection = connection


def _settings(path: Path) -> dict[str, str | bool | int | float | list[str]]:
    memory = min(_MEMORY_BYTES, int(psutil.virtual_memory().total * _MEMORY_SHARE))
    return {
        "enable_external_access": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "temp_directory": str(path.with_suffix(".spill")),
        "max_temp_directory_size": "2GB",
        "memory_limit": f"{memory // (1 << 20)}MiB",
        "lock_configuration": "true",
    }


def _require_whole(connection: Connection, path: Path) -> None:
    """DuckDB opens a file whose end is missing, and fails when it first reads what was there."""
    row = connection.execute("SELECT block_size * total_blocks FROM pragma_database_size()")
    (bytes_used,) = row.fetchone() or (0,)
    if path.stat().st_size >= _HEADERS_BYTES + bytes_used:
        return
    for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
        connection.execute(f"SELECT bit_xor(hash(t)) FROM {table} AS t").fetchall()


def _is_damage(error: duckdb.Error) -> bool:
    return any(words in str(error) for words in _DAMAGE)


def _told(purpose: str, error: duckdb.Error) -> str:
    first = str(error).strip().splitlines()[0]
    way_out = "; move the file away, and it is rebuilt from the journals"
    return (
        f"the database cannot be {purpose} at the moment: {first}"
        f"{way_out if _is_damage(error) else ''}"
    )
