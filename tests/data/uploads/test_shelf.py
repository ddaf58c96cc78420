"""Uploads are kept under their content's name, privately, and checked when they are read."""

from hashlib import sha256
from pathlib import Path

import pytest

from data.errors import UploadRefused
from data.uploads import shelf
from data.uploads.settings import NEIGHBOURS, WEEKDAYS


def test_what_was_kept_is_read_again_under_its_hash(tmp_path: Path):
    name = shelf.keep(b"a,b\n", into=tmp_path / "uploads")
    assert name == sha256(b"a,b\n").hexdigest()
    assert shelf.read(name, inside=tmp_path / "uploads") == b"a,b\n"


def test_an_upload_is_the_users_alone_and_kept_once(tmp_path: Path):
    for _ in range(2):
        name = shelf.keep(b"a,b\n", into=tmp_path / "lab" / "uploads")
    folder = tmp_path / "lab" / "uploads"
    files = list(folder.iterdir())
    assert [file.name for file in files] == [f"{name}.csv"]
    assert files[0].stat().st_mode & 0o077 == 0
    assert all(each.stat().st_mode & 0o077 == 0 for each in (folder, folder.parent))


def test_uploads_lie_in_the_labs_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GROKKING_LAB_HOME", str(tmp_path))
    name = shelf.keep(b"a,b\n")
    assert (tmp_path / "uploads" / f"{name}.csv").read_bytes() == b"a,b\n"
    assert shelf.read(name) == b"a,b\n"


def test_an_upload_that_was_changed_is_refused(tmp_path: Path):
    name = shelf.keep(b"a,b\n", into=tmp_path)
    (tmp_path / f"{name}.csv").write_bytes(b"a,c\n")
    with pytest.raises(UploadRefused, match="was changed after it was kept"):
        shelf.read(name, inside=tmp_path)


def test_an_upload_that_is_not_kept_here_is_refused(tmp_path: Path):
    with pytest.raises(UploadRefused, match=r"no upload is kept under sha256 0000.* upload the"):
        shelf.read("0" * 64, inside=tmp_path)


def test_too_large_an_upload_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shelf, "MOST_BYTES", 3)
    with pytest.raises(UploadRefused, match="at most 3 bytes, got 4"):
        shelf.keep(b"a,b\n", into=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [NEIGHBOURS, WEEKDAYS])
def test_examples_come_with_the_lab(name: str, tmp_path: Path):
    assert sha256(shelf.read(name, inside=tmp_path)).hexdigest() == name
