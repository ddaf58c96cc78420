"""How answers are printed: JSON for programs, aligned columns for people."""

import io
import json
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

_BREAKING = ("Cc", "Zl", "Zp")
"""Unicode's categories of what moves the cursor or starts a line."""


def replace_unprintable() -> None:
    """Have characters that stdout cannot encode replaced by question marks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def print_json(answer: object) -> None:
    """One JSON document on stdout; numbers that JSON does not have are null."""
    plain = json.loads(json.dumps(answer, default=str), parse_constant=lambda _: None)
    print(json.dumps(plain, indent=2))


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Rows as an aligned table under their column names, control characters escaped."""
    cells = [[_on_one_line(_cell(row.get(column))) for column in columns] for row in rows]
    table = [[_on_one_line(column.replace("_", " ")) for column in columns], *cells]
    widths = [max(_width(line[i]) for line in table) for i in range(len(columns))]
    for line in table:
        padded = (
            text + " " * (width - _width(text)) for text, width in zip(line, widths, strict=True)
        )
        print("  ".join(padded).rstrip())


def _width(text: str) -> int:
    """Columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    none = sum(unicodedata.category(character) in ("Mn", "Me", "Cf") for character in text)
    return len(text) + wide - none


def _on_one_line(text: str) -> str:
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in _BREAKING
        else character
        for character in text
    )


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    return str(value)
