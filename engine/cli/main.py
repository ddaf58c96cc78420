"""How a command line becomes an exit status: 0 done, 1 the run or engine failed, 2 unusable."""

import os
import sys
from collections.abc import Sequence

from engine.cli.arguments import parser
from engine.errors import (
    LabError,
    NotPossible,
    QueryRefused,
    RunNotFound,
    SettingsError,
    UploadRefused,
)

UNUSABLE = 2
FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors of the user's doing are one line on stderr."""
    try:
        parsed = parser().parse_args(arguments)
        return parsed.function(parsed)
    except (SettingsError, RunNotFound, NotPossible, QueryRefused, UploadRefused) as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    except LabError as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("interrupted; runs go on in the engine", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        # The reader of our output has gone (`… | head`); python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
