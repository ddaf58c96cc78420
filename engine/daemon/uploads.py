"""Data of the user's own: taken in line by line checked, listed, and described."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast, get_args

import numpy as np

from data.errors import SettingsError, UploadRefused
from data.uploads import shelf
from data.uploads.parse import Table
from data.uploads.take import UploadKind, check
from engine.home import Home

SHOWN_ROWS = 2


class Uploads:
    """What is kept in the home of one daemon, and the examples that come with the lab."""

    def __init__(self, home: Home) -> None:
        self._folder = home.uploads

    def take(self, content: bytes, *, kind: str, header: bool) -> dict[str, Any]:
        """Check and keep an upload; says what was understood, as `describe` does.

        Raises:
            UploadRefused: it is too large or has lines that cannot be used; nothing was kept.
            SettingsError: `kind` is not one that is learned from an upload.
        """
        table = check(content, kind=_kind(kind), header=header)
        try:
            name = shelf.keep(content, into=self._folder)
        except OSError as error:
            raise UploadRefused(
                f"the upload cannot be kept in {self._folder}: {error.strerror}; "
                "make room there and try again"
            ) from None
        return _described(name, len(content), table)

    def kept(self) -> list[dict[str, Any]]:
        """Examples first, then the user's own, newest first: `sha256`, `example`, `bytes`.

        `example` is the name of an example, empty for an upload.
        """
        return [
            {"sha256": each.sha256, "example": each.example, "bytes": each.n_bytes}
            for each in shelf.kept(inside=self._folder)
        ]

    def describe(self, sha256: str, *, kind: str, header: bool) -> dict[str, Any]:
        """What is understood of an upload: counts of its rows, fields, names and answers.

        Its first rows are given under `first`, and its name and size as `kept` gives them.

        Raises:
            UploadRefused: it is not kept here, was changed, or cannot be read as this kind.
        """
        if not shelf.is_name(sha256):
            raise UploadRefused(
                "an upload is named by 64 hexadecimal digits; take one of the list"
            )
        return dict(self._describe(sha256, _kind(kind), header))

    @lru_cache(maxsize=16)  # noqa: B019 - a daemon has one of these, for as long as it lives
    def _describe(self, sha256: str, kind: UploadKind, header: bool) -> Mapping[str, Any]:
        content = shelf.read(sha256, inside=self._folder)
        return _described(sha256, len(content), check(content, kind=kind, header=header))


def _described(name: str, n_bytes: int, table: Table) -> dict[str, Any]:
    rows, fields = table.cells.shape
    return {
        "sha256": name,
        "bytes": n_bytes,
        "rows": rows,
        "fields": fields,
        "names": len(table.names),
        "answers": len(np.unique(table.cells[:, -1])),
        "first": [[table.names[place] for place in row] for row in table.cells[:SHOWN_ROWS]],
    }


def _kind(kind: str) -> UploadKind:
    known = get_args(UploadKind)
    if kind not in known:
        raise SettingsError(f"an upload is a {' or '.join(known)}, got '{kind:.40}'")
    return cast("UploadKind", kind)
