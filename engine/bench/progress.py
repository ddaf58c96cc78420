"""What a person reads while the measurements take their minutes."""

import sys


def say(line: str) -> None:
    """One line on stderr, where it disturbs no output."""
    print(line, file=sys.stderr, flush=True)
