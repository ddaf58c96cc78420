"""How a disk runs full in a test."""

from pathlib import Path


def fill(ballast: Path) -> None:
    """Leave not a byte free."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return
