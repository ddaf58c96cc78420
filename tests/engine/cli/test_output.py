"""How a table is printed."""

import pytest

from engine.cli.output import print_rows


def test_a_row_is_one_line_whatever_its_cells_hold(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([{"a\nb": "x\r\n\ty\x1b[2J\x9b1m\u2028ä –", "n": 1}], ("a\nb", "n"))
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["a\\nb", "n"]
    assert row == "x\\r\\n\\ty\\x1b[2J\\x9b1m\\u2028ä –  1"


def test_columns_stay_aligned_beside_wide_and_combining_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = ("日本", "e\u0301te\u0301", "plain", "🙂")
    print_rows([{"name": name, "n": 1} for name in names], ("name", "n"))
    head, *rows = capsys.readouterr().out.splitlines()
    assert head == "name   n"
    assert rows == ["日本   1", "e\u0301te\u0301    1", "plain  1", "🙂     1"]
