"""How data of the user's own comes into the lab from the command line."""

import argparse
import shlex
from pathlib import Path

from data.uploads.shelf import MOST_BYTES, check_size
from engine.cli.output import print_json
from engine.client import connect
from engine.errors import UploadRefused


def upload(arguments: argparse.Namespace) -> int:
    """Check and keep a file; prints the settings with which a run trains on it."""
    file, kind, header = Path(arguments.file), arguments.kind, arguments.header
    kept = connect().upload(_content(file), kind=kind, header=header)
    settings = {"kind": kind, "sha256": kept["sha256"]} | ({"header": True} if header else {})
    if arguments.json:
        print_json({"task": settings})
        return 0
    words = [word for name, value in settings.items() for word in _set(name, value)]
    print(
        f"kept {file.name}; train on it with\n\n  python -m engine run quick {shlex.join(words)}"
    )
    return 0


def _content(file: Path) -> bytes:
    """The bytes of a file, which is not read if it is too large; a pipe is, as far as that."""
    try:
        check_size(file.stat().st_size)
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
        check_size(len(content))
        return content
    except OSError as error:
        raise UploadRefused(
            f"{file} cannot be read: {error.strerror}; name another file"
        ) from None


def _set(name: str, value: str | bool) -> tuple[str, str]:
    return "--set", f"task.{name}={str(value).lower()}"
