"""`python -m engine`: the command line of the lab."""

import sys

INTERRUPTED = 130
"""As `engine.cli.main` says, which may not be there yet."""


def _command_line() -> int:
    try:
        from engine.cli.main import main

        return main()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(_command_line())
