"""A disk so small that a test can fill it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.home import ENVIRONMENT, Home
from tests.processes import end_all


@pytest.fixture
def cramped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A home on a filesystem of its own of 24 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"run as root with CAP_SYS_ADMIN to mount a small tmpfs: {mounted.stderr}")
    home = Home(folder / "lab")
    monkeypatch.setenv(ENVIRONMENT, str(home.path))
    yield home
    end_all(home)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
