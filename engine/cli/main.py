"""How a command line becomes an exit status: 0 done, 1 the run or engine failed, 2 unusable.

`serve` ends with 3 where a daemon already serves the home, and any command with 130 on Ctrl-C.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.cli.arguments import parser
from engine.cli.output import replace_unprintable
from engine.errors import (
    LabError,
    NotPossible,
    QueryRefused,
    RunNotFound,
    SettingsError,
    UploadRefused,
)
from engine.home import Home, unusable

FAILED = 1
UNUSABLE = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors of the user's doing are one line on stderr."""
    replace_unprintable()
    parsed = argparse.Namespace()
    try:
        parser().parse_args(arguments, parsed)
        status = parsed.function(parsed)
        print(end="", flush=True)  # where the shell closed stdout there is none to ask
        return status
    except (SettingsError, RunNotFound, NotPossible, QueryRefused, UploadRefused) as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    except LabError as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        waited = getattr(parsed, "wait", False)
        print(f"interrupted{'; runs go on in the engine' if waited else ''}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()  # its reader has gone (`… | head`)
        return 0
    except OSError as error:
        sentence = _home_trouble(error) or _output_trouble()
        if not sentence:
            raise
        print(sentence, file=sys.stderr)
        return FAILED


def _home_trouble(error: OSError) -> str:
    """What is wrong with the lab's home, empty where the error is about something else."""
    home, place = Home.from_environment(), Path(str(error.filename))
    if place != home.path and home.path not in place.parents and place not in home.path.parents:
        return ""
    return unusable(home, error)


def _output_trouble() -> str:
    """Why stdout takes nothing, empty where it does."""
    try:
        print(flush=True)  # unbuffered, it keeps nothing that could be tried again
    except OSError as error:
        _drop_output()
        return f"the output cannot be written: {error.strerror}"
    return ""


def _drop_output() -> None:
    """What is left of it goes nowhere, so that python does not complain at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
