"""Which version of the lab this is, as it is written into every run."""

import subprocess
from functools import cache
from pathlib import Path

VERSION = "0.1.0"
ROOT = Path(__file__).parents[1]
"""The folder from which `engine` is imported."""


@cache
def code_version() -> str:
    """The version with the commit of the checkout, as `0.1.0+1a2b3c4` (`.dirty` when changed)."""
    command = ["git", "describe", "--always", "--dirty=.dirty", "--abbrev=10", "--exclude=*"]
    try:
        answer = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return VERSION
    return f"{VERSION}+{answer.stdout.strip()}"
