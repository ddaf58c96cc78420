"""How data of the user's own comes into the lab from the command line."""

import argparse
import shlex
from pathlib import Path

from data.uploads.take import take_file
from engine.cli.output import print_json


def upload(arguments: argparse.Namespace) -> int:
    """Check and keep a file; prints the settings with which a run trains on it."""
    file = Path(arguments.file)
    settings = take_file(file, kind=arguments.kind, header=arguments.header)
    if arguments.json:
        print_json({"task": settings})
        return 0
    words = [word for name, value in settings.items() for word in _set(name, value)]
    print(
        f"kept {file.name}; train on it with\n\n  python -m engine run quick {shlex.join(words)}"
    )
    return 0


def _set(name: str, value: str | bool) -> tuple[str, str]:
    return "--set", f"task.{name}={str(value).lower()}"
