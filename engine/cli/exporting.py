"""What `export` does: all points of runs in a file, or one run's network in a folder."""

import argparse
import os
from pathlib import Path

from engine.cli.output import print_json
from engine.client import connect
from engine.client.remote import ADDRESS
from engine.errors import NotPossible, SettingsError


def export(arguments: argparse.Namespace) -> int:
    """Points or, with `--format hf`, a network; the engine writes them, on its own machine."""
    if os.environ.get(ADDRESS):
        raise NotPossible(
            f"export writes on the machine of the engine {os.environ[ADDRESS]};"
            f" run it there, with {ADDRESS} unset"
        )
    return _network(arguments) if arguments.format == "hf" else _points(arguments)


def _points(arguments: argparse.Namespace) -> int:
    if arguments.at is not None:
        raise SettingsError(
            "--at chooses a checkpoint of a network; add --format hf, or leave it out"
        )
    file = Path(arguments.to).absolute()
    connect().export(arguments.runs, file)
    if arguments.json:
        print_json({"file": str(file), "bytes": file.stat().st_size})
    else:
        print(f"{file}: {file.stat().st_size:,} bytes")
    return 0


def _network(arguments: argparse.Namespace) -> int:
    if len(arguments.runs) > 1:
        raise SettingsError(
            f"--format hf writes one run to a folder, got {len(arguments.runs)} runs; "
            "export them one by one"
        )
    (run,) = arguments.runs
    written = connect().export_network(run, Path(arguments.to), at=arguments.at)
    if arguments.json:
        print_json(written)
    else:
        print(
            f"{written['folder']}: {written['architecture']} of run {run} at step "
            f"{written['step']:,}, {written['weights']} weights, {written['bytes']:,} bytes"
        )
    return 0
