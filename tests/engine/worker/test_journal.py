import json
import math
from pathlib import Path

import pytest

from engine import journal
from engine.journal import read_lines


def test_a_journal_ends_at_its_last_newline(tmp_path: Path):
    file = tmp_path / "journal"
    file.write_bytes(b'{"e":"m","s":1}\n{"e":"m","s"')
    lines, offset = read_lines(file)
    assert [line["s"] for line in lines] == [1]
    assert offset == 16


def test_reading_goes_on_where_it_stopped_once_the_line_is_whole(tmp_path: Path):
    file = tmp_path / "journal"
    file.write_bytes(b'{"e":"m","s":1}\n{"e":"m"')
    _, offset = read_lines(file)
    with file.open("ab") as end:
        end.write(b',"s":2}\n')
    lines, offset = read_lines(file, offset)
    assert [line["s"] for line in lines] == [2]
    assert read_lines(file, offset) == ([], offset)


def test_every_cut_of_a_journal_yields_a_prefix_of_its_lines(tmp_path: Path):
    whole = journal.metrics_line(1, {"test": {"loss": 0.5}}) + journal.event_line(2, "note", {})
    file = tmp_path / "journal"
    file.write_bytes(whole)
    lines = read_lines(file)[0]
    for size in range(len(whole)):
        file.write_bytes(whole[:size])
        read = read_lines(file)[0]
        assert read == lines[: len(read)]
        assert len(read) == whole[:size].count(b"\n")


def test_a_long_journal_arrives_in_parts_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(journal, "BLOCK_BYTES", 64)
    file = tmp_path / "journal"
    expected = [{"e": "m", "s": step, "note": "x" * step} for step in range(120)]
    file.write_text("".join(json.dumps(line) + "\n" for line in expected))
    read, offset = [], 0
    while (part := read_lines(file, offset))[0]:
        read += part[0]
        offset = part[1]
    assert read == expected


def test_a_number_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        journal.metrics_line(1, {"train": {"loss": math.nan}})


def test_a_missing_journal_has_no_lines(tmp_path: Path):
    assert read_lines(tmp_path / "none", 7) == ([], 7)
