"""How the settings of a task name the user's data."""

from typing import Annotated

from pydantic import AfterValidator

from data.uploads.shelf import is_name


def _hash(name: str) -> str:
    if is_name(name):
        return name
    shown = repr(name if len(name) <= 80 else name[:79] + "…")
    raise ValueError(
        "sha256 must be the 64 hexadecimal digits (0-9, a-f) that an upload is kept under, "
        f"got {shown}; upload the file and take the name that is shown"
    )


ContentName = Annotated[str, AfterValidator(_hash)]
"""The SHA-256 of an upload: 64 hexadecimal digits in lower case, never a path."""

NEIGHBOURS = "93d2679c309708502be781cf666b8f2c54462f42119f1d9b9dc9a49750d7e082"
"""An example: 64 places of a ring-shaped map and what lies north, east, south and west of each."""

WEEKDAYS = "eeb9e548254714119a04b1efcef2b85ceea70d97e100405feed7a013931d37c1"
"""An example: which day it is so many days after a weekday."""
