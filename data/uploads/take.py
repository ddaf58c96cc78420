"""How an upload is taken in: every line checked first, so that only usable data is kept."""

from pathlib import Path
from typing import Literal

from data.uploads import shelf
from data.uploads.parse import Table, parse
from data.uploads.problems import too_few

UploadKind = Literal["table", "triples"]


def check(content: bytes, *, kind: UploadKind, header: bool = False) -> Table:
    """The rows of an upload, every line checked.

    Raises:
        UploadRefused: it is too large, has lines that cannot be used, or less than two rows.
    """
    shelf.check_size(len(content))
    table = parse(content, width=3 if kind == "triples" else None, header=header)
    if len(table.cells) == 1:
        raise too_few("1 row beside the header" if header else "1 row")
    return table


def take(
    content: bytes, *, kind: UploadKind, header: bool = False, into: Path | None = None
) -> dict[str, str | bool]:
    """Check and keep an upload; returns the task settings that train on it, defaults left out.

    Raises:
        UploadRefused: it is too large or has lines that cannot be used; nothing was kept.
    """
    check(content, kind=kind, header=header)
    settings: dict[str, str | bool] = {"kind": kind, "sha256": shelf.keep(content, into=into)}
    return settings | ({"header": True} if header else {})
