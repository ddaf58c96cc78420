"""What a new attempt of a run throws away: everything past the step that it starts from."""

from engine.store.database import Connection

_PAST = {
    "metrics": "",
    "snapshots": "",
    "checkpoints": "",
    # what a person wrote, or what the machine lacked, is no result of the attempt
    "events": "AND kind NOT IN ('note', 'out_of_memory')",
}


def begin_attempt(cursor: Connection, run_id: int, *, attempt: int, from_step: int) -> None:
    """Forget what lies past `from_step` and read the journal of `attempt` from its beginning."""
    for table, unless in _PAST.items():
        cursor.execute(
            f"DELETE FROM {table} WHERE run_id = ? AND step > ? {unless}", [run_id, from_step]
        )
    cursor.execute("DELETE FROM journals WHERE run_id = ? AND attempt >= ?", [run_id, attempt])
    cursor.execute(
        "INSERT INTO journals (run_id, attempt, from_step, byte_offset, lines, malformed,"
        " train_seconds) VALUES (?, ?, ?, 0, 0, 0, 0)",
        [run_id, attempt, from_step],
    )
    cursor.execute("DELETE FROM latest WHERE run_id = ?", [run_id])
    cursor.execute(
        "INSERT INTO latest SELECT run_id, split, metric, max(step), arg_max(value, step)"
        " FROM metrics WHERE run_id = ? GROUP BY run_id, split, metric",
        [run_id],
    )
    cursor.execute(
        "UPDATE runs SET attempt = ?, last_step = ?, finished_at = NULL WHERE run_id = ?",
        [attempt, from_step, run_id],
    )
