"""Data of the user's own on its way to the daemon: checked there, kept there, trained on there."""

from pathlib import Path

import pytest

from data.uploads.settings import NEIGHBOURS, WEEKDAYS
from data.uploads.shelf import MOST_BYTES
from engine import Lab, SettingsError, UploadRefused
from engine.home import Home

pytestmark = pytest.mark.shared_lab

SUMS = "".join(f"{a},{b},{a + b}\n" for a in range(9) for b in range(9)).encode()


def files(home: Home) -> list[Path]:
    return list(home.uploads.iterdir()) if home.uploads.exists() else []


def test_an_upload_is_kept_under_its_content_and_says_what_was_understood(lab: Lab, home: Home):
    row = lab.upload(b"a,b,sum\n" + SUMS, kind="table", header=True)
    assert (row["rows"], row["fields"], row["names"], row["answers"]) == (81, 3, 17, 17)
    assert row["first"] == [["0", "0", "0"], ["0", "1", "1"]]
    assert [file.stem for file in files(home)] == [row["sha256"]]
    assert files(home)[0].read_bytes() == b"a,b,sum\n" + SUMS
    assert lab.describe_upload(row["sha256"], kind="table", header=True) == row


def test_what_is_kept_is_listed_after_the_examples(lab: Lab):
    older = lab.upload(b"a,b\nb,a\n", kind="table")
    newer = lab.upload(SUMS, kind="table")
    rows = lab.uploads()
    assert {row["example"]: row["sha256"] for row in rows[:2]} == {
        "neighbours": NEIGHBOURS,
        "weekdays": WEEKDAYS,
    }
    assert [row["sha256"] for row in rows[2:]] == [newer["sha256"], older["sha256"]]
    assert rows[2] == {"sha256": newer["sha256"], "example": "", "bytes": len(SUMS)}


def test_a_run_can_be_estimated_on_what_was_uploaded(lab: Lab):
    row = lab.upload(SUMS, kind="table")
    predicted = lab.estimate({"task": {"kind": "table", "sha256": row["sha256"]}})
    assert predicted["examples"] == row["rows"] == 81


def test_lines_that_cannot_be_used_are_named_and_nothing_is_kept(lab: Lab, home: Home):
    content = b"a,b,c\na,b\n\nd,,f\na,b,<script>\n"
    with pytest.raises(UploadRefused) as caught:
        lab.upload(content, kind="triples")
    sentence = str(caught.value)
    assert "3 lines that cannot be used" in sentence
    assert "line 2 has 2 fields instead of 3" in sentence
    assert "line 4 has an empty field" in sentence
    assert "line 5 contradicts line 1 (answer '<script>', there 'c')" in sentence
    assert files(home) == []
    assert len(lab.uploads()) == 2


def test_bytes_of_any_kind_are_refused_with_a_sentence(lab: Lab, home: Home):
    for content in (b"", b"\x00\xff\xfe", b'"never closed\n', b"\n" * 100):
        with pytest.raises(UploadRefused):
            lab.upload(content, kind="table")
    assert files(home) == []


def test_a_kind_that_learns_nothing_of_an_upload_is_named(lab: Lab):
    with pytest.raises(SettingsError, match="a table or triples, got 'modular'"):
        lab.upload(SUMS, kind="modular")


def test_a_file_beyond_the_limit_is_refused_before_it_is_sent(lab: Lab):
    with pytest.raises(UploadRefused, match=r"at most 134,217,728 bytes, got 134,217,729"):
        lab.upload(bytes(MOST_BYTES + 1), kind="table")


def test_a_large_file_arrives_whole(lab: Lab, home: Home):
    wide = b",".join(f"{place:03}".encode() * 33 for place in range(60))
    content = b"\n".join(b"%d,%b" % (line, wide) for line in range(4000))
    assert lab.upload(content, kind="table")["bytes"] == len(content) > 20_000_000
    assert files(home)[0].stat().st_size == len(content)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "0" * 63])
def test_a_name_that_is_no_content_name_is_never_a_path(lab: Lab, name: str):
    with pytest.raises(UploadRefused, match="64 hexadecimal digits"):
        lab.describe_upload(name, kind="table")


def test_an_upload_that_is_not_kept_here_is_named(lab: Lab):
    with pytest.raises(UploadRefused, match="no upload is kept under sha256 0000"):
        lab.describe_upload("0" * 64, kind="table")
