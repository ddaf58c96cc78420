"""Where the user's data is kept: one file for each content, named by its SHA-256.

A run's settings hold the name, so that they say exactly which bytes it was trained on. Uploads
lie in `uploads/` of the lab's home; the examples that come with the lab are always there.
"""

import os
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

from data.errors import UploadRefused

MOST_BYTES = 128 * 2**20
"""Largest upload that is kept."""

_EXAMPLES = Path(__file__).parent / "examples"
_ENVIRONMENT, _DEFAULT = "GROKKING_LAB_HOME", Path(__file__).parents[2] / ".lab"


@dataclass(frozen=True, slots=True)
class Kept:
    """One upload, or one example."""

    sha256: str
    n_bytes: int
    example: str = ""
    """The name of an example; empty for an upload."""


def is_name(text: str) -> bool:
    """Whether a text can be the name of an upload: 64 hexadecimal digits in lower case."""
    return re.fullmatch("[0-9a-f]{64}", text) is not None


def folder() -> Path:
    """`uploads/` in `$GROKKING_LAB_HOME`, or in `.lab` of the checkout."""
    home = Path(os.environ.get(_ENVIRONMENT) or _DEFAULT)
    return home.expanduser().absolute() / "uploads"


def check_size(n_bytes: int) -> None:
    """Refuse an upload that is larger than 128 MiB."""
    if n_bytes > MOST_BYTES:
        raise UploadRefused(
            f"an upload may have at most {MOST_BYTES:,} bytes, got {n_bytes:,}; "
            "split the file or shorten its names"
        )


def keep(content: bytes, *, into: Path | None = None) -> str:
    """Keep an upload, readable by the user alone, and return its name; twice is once.

    Raises:
        UploadRefused: it is larger than 128 MiB.
    """
    check_size(len(content))
    name, into = sha256(content).hexdigest(), into or folder()
    for each in (into.parent, into):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=into, suffix=".unfinished", delete=False) as file:
        unfinished = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            unfinished.replace(into / f"{name}.csv")
        finally:
            unfinished.unlink(missing_ok=True)
    return name


def read(name: str, *, inside: Path | None = None) -> bytes:
    """The bytes of an upload or example, checked against its name.

    Raises:
        UploadRefused: no such upload is kept, or its bytes were changed.
    """
    file = (inside or folder()) / f"{name}.csv"
    if not file.is_file():
        example = _examples().get(name)
        if example is None:
            raise UploadRefused(
                f"no upload is kept under sha256 {name}; upload the file again on this machine, "
                "or copy it into the lab's uploads/ folder"
            )
        return example
    content = file.read_bytes()
    if sha256(content).hexdigest() != name:
        raise UploadRefused(
            f"the upload {name[:12]}… was changed after it was kept, so runs on it could not be "
            "repeated; upload the original file again"
        )
    return content


def kept(*, inside: Path | None = None) -> list[Kept]:
    """The examples by name, then what was uploaded, newest first."""
    examples = [
        Kept(sha256(content).hexdigest(), len(content), file.stem)
        for file in sorted(_EXAMPLES.glob("*.csv"))
        for content in [file.read_bytes()]
    ]
    known = {each.sha256 for each in examples}
    files = [
        (file.stat().st_mtime, Kept(file.stem, file.stat().st_size))
        for file in (inside or folder()).glob("*.csv")
        if is_name(file.stem) and file.stem not in known
    ]
    files.sort(key=lambda pair: pair[0], reverse=True)
    return examples + [each for _, each in files]


def _examples() -> dict[str, bytes]:
    contents = [file.read_bytes() for file in sorted(_EXAMPLES.glob("*.csv"))]
    return {sha256(content).hexdigest(): content for content in contents}
