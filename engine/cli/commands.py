"""What each short command does, apart from `run`."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import count

from engine.cli.doctor import in_words, report
from engine.cli.output import print_json, print_rows
from engine.client import connect
from engine.config import parse_assignments
from engine.config.presets import PRESETS
from engine.home import Home

LIST_COLUMNS = (
    "run_id",
    "name",
    "seed",
    "state",
    "last_step",
    "budget",
    "train_accuracy",
    "test_accuracy",
    "memorised_step",
    "onset_step",
    "grokked_step",
    "tags",
)


def presets(arguments: argparse.Namespace) -> int:
    """The prepared experiments."""
    rows = [
        {
            "name": preset.name,
            "task": preset.config.task.kind,
            "model": preset.config.model.kind,
            "description": preset.description,
            "expectation": preset.expectation.sentence,
        }
        for preset in PRESETS.values()
    ]
    print_json(rows) if arguments.json else print_rows(rows, ("name", "description"))
    return 0


def list_runs(arguments: argparse.Namespace) -> int:
    """All runs, newest last."""
    rows = connect().runs()
    print_json(rows) if arguments.json else print_rows(rows, LIST_COLUMNS)
    if not (rows or arguments.json):
        print("no runs yet; `python -m engine run quick` launches one", file=sys.stderr)
    return 0


def show(arguments: argparse.Namespace) -> int:
    """One run with its settings and events."""
    lab = connect()
    (row,) = lab.runs([arguments.run])
    row["events"] = lab.events([arguments.run])
    if arguments.json:
        print_json(row)
        return 0
    print_rows([row], LIST_COLUMNS)
    if row["state_reason"]:
        print(row["state_reason"])
    events = [event | {"split": (event["payload"] or {}).get("split")} for event in row["events"]]
    print_rows(events, ("step", "kind", "split", "value", "detector", "at"))
    return 0


def control(arguments: argparse.Namespace) -> int:
    """Pause, resume, stop, kill or delete one run."""
    lab = connect()
    getattr(lab, arguments.verb)(arguments.run)
    rows = [] if arguments.verb == "delete" else lab.runs([arguments.run])
    state = rows[0]["state"] if rows else "deleted"
    reason = rows[0]["state_reason"] if rows else ""
    if arguments.json:
        print_json({"run_id": arguments.run, "state": state})
    else:
        print(f"run {arguments.run}: {state}" + (f" ({reason})" if reason else ""))
    return 0


def fork(arguments: argparse.Namespace) -> int:
    """A new run from a checkpoint of another."""
    lab = connect()
    child = lab.fork(arguments.run, arguments.at, parse_assignments(arguments.changes))
    (row,) = lab.runs([child])
    if arguments.json:
        print_json({key: row[key] for key in ("run_id", "state", "parent_run", "parent_step")})
    else:
        step = row["parent_step"]
        moved = "" if step == arguments.at else f", the last checkpoint before {arguments.at:,}"
        print(f"run {child} goes on from run {arguments.run} at step {step:,}{moved}")
    return 0


def extend(arguments: argparse.Namespace) -> int:
    """A larger budget for a run that ended."""
    connect().extend(arguments.run, arguments.steps)
    if arguments.json:
        print_json({"run_id": arguments.run, "steps": arguments.steps})
    else:
        print(f"run {arguments.run} goes on to step {arguments.steps:,}")
    return 0


def sql(arguments: argparse.Namespace) -> int:
    """One SELECT statement."""
    table = connect().select(arguments.query, limit=arguments.limit)
    names = _told_apart(table.column_names)
    rows = table.rename_columns(names).to_pylist()
    print_json(rows) if arguments.json else print_rows(rows, names)
    if (table.schema.metadata or {}).get(b"truncated") == b"true":
        print(
            f"cut after {len(rows):,} rows; a larger --limit gives more, "
            "and `export` writes all points of runs",
            file=sys.stderr,
        )
    return 0


def _told_apart(names: Sequence[str]) -> list[str]:
    """Columns of equal name with numbers: `value`, `value_2`, as rows are told by name."""
    taken, seen = set(names), dict[str, Iterator[int]]()
    told: list[str] = []
    for name in names:
        if name not in seen:
            seen[name] = count(2)
            told.append(name)
            continue
        numbered = (f"{name}_{i}" for i in seen[name])
        told.append(next(each for each in numbered if each not in taken))
        taken.add(told[-1])
    return told


def serve_home(arguments: argparse.Namespace) -> int:
    """The daemon in the foreground."""
    # The daemon alone loads the database library; other commands start faster without it.
    from engine.daemon.listening import asked_for
    from engine.daemon.serve import serve

    home = Home.from_environment().create()
    remote = None
    if arguments.listen or arguments.certificate or arguments.key:
        given = {"certificate": arguments.certificate, "key": arguments.key}
        remote = asked_for(home, arguments.listen, **given)
    return serve(home, remote)


def doctor(arguments: argparse.Namespace) -> int:
    """What is installed, which device, is the home healthy."""
    facts, healthy = report(Home.from_environment())
    if arguments.json:
        print_json(facts)
    else:
        rows = [{"what": name, "value": words} for name, words in in_words(facts).items()]
        print_rows(rows, ("what", "value"))
    return 0 if healthy else 1
