"""What the lines of an upload may say, and how those that cannot be used are named."""

from time import process_time

import numpy as np
import pytest

from data.errors import UploadRefused
from data.uploads import parse as upload_parser
from data.uploads.parse import LONGEST_NAME, parse

Rows = list[tuple[str, ...]]


def rows(text: str, *, width: int | None = None, header: bool = False) -> Rows:
    """What an upload of this text says."""
    table = parse(text.encode(), width=width, header=header)
    return [tuple(table.names[cell] for cell in row) for row in table.cells.tolist()]


def refused(content: str | bytes, *, width: int | None = None, header: bool = False) -> str:
    """The message with which an upload is refused."""
    with pytest.raises(UploadRefused) as caught:
        parse(
            content.encode() if isinstance(content, str) else content, width=width, header=header
        )
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a,r,b\nb,r,c\n",
        "a,r,b\r\nb,r,c",
        "a\tr\tb\nb\tr\tc\n",
        "\n a , r ,b\n\n\nb, r,c \n\n",
        '"a","r",b\n"b",r,c',
        "\ufeffa,r,b\nb,r,c\n",
    ],
)
def test_commas_tabs_quotes_and_blanks_say_the_same(text: str):
    assert rows(text) == [("a", "r", "b"), ("b", "r", "c")]


def test_names_are_numbered_as_they_first_occur():
    table = parse(b"x,y,z\nz,y,x\n")
    assert table.names == ("x", "y", "z")
    assert table.cells.tolist() == [[0, 1, 2], [2, 1, 0]]


def test_a_header_is_left_out_and_lines_still_count_from_the_top():
    assert rows("head,relation,tail\na,r,b\n", header=True) == [("a", "r", "b")]
    assert "line 3 has 2 fields" in refused("h,r,t\na,r,b\na,b\n", header=True)


def test_a_quoted_field_may_hold_a_comma():
    assert rows('"Paris, France",in,Europe\n') == [("Paris, France", "in", "Europe")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,r,b\na,b\n", "line 2 has 2 fields instead of 3"),
        ("a,r,b\n\nc\n", "line 3 has 1 field instead of 3"),
        ("a,r,b\nc,,d\n", "line 2 has an empty field"),
        ("a,r,b\n,,\n", "line 2 has an empty field"),
        ("a,r,b\nc,d,\x07\n", "line 2 has a field with characters that cannot be shown"),
        (f"a,r,b\n{'x' * 101},r,b\n", f"has a field of 101 characters, more than {LONGEST_NAME}"),
        ("a,r,b\nc,r,b\na,r,b\n", "line 3 repeats line 1"),
        ("a,r,b\nc,r,b\na,r,c\n", "line 3 contradicts line 1 (answer 'c', there 'b')"),
        ('a,r,b\nc,r,"b\nd,r,c\n', "line 2 cannot be read"),
        ("a,r,b\n\nbroken", "the upload has 1 line that cannot be used: line 3 has 1 field"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(text: str, message: str):
    assert message in refused(text, width=3)


def test_bytes_that_are_no_text_are_named_by_their_line():
    assert "line 2 is not UTF-8 text" in refused(b"a,r,b\nc,r,\xff\n")


def test_the_first_lines_are_named_in_order_and_the_rest_counted():
    text = "a,r,b\nc,r\na,r,b\n,r,b\na,r,c\nx\ny\nz\n"
    assert refused(text, width=3) == (
        "the upload has 7 lines that cannot be used: line 2 has 2 fields instead of 3; "
        "line 3 repeats line 1; line 4 has an empty field; "
        "line 5 contradicts line 1 (answer 'c', there 'b'); "
        "line 6 has 1 field instead of 3; and 2 more"
    )


def test_an_upload_without_rows_is_refused():
    words = "give at least 2, one to train on and one for the test split"
    assert refused("\n\n") == f"the upload has no rows; {words}"
    told = refused("head,relation,tail\n", header=True)
    assert told == f"the upload has no rows beside the header; {words}"


@pytest.mark.parametrize("n", [1, 65])
def test_rows_are_two_to_64_fields_wide(n: int):
    text = ",".join(f"c{i}" for i in range(n))
    field = "1 field" if n == 1 else "65 fields"
    told = f"line 1 has {field} instead of 2 to 64, with commas or tabs between"
    assert told in refused(text)


def test_questions_of_many_fields_are_told_apart():
    rng = np.random.default_rng(0)
    cells = rng.integers(0, 2, size=(400, 63))
    lines = [",".join(f"{i}{cell}" for i, cell in enumerate(row)) + ",y" for row in cells]
    assert len(rows("\n".join(lines))) == 400
    assert "line 401 repeats line 7" in refused("\n".join([*lines, lines[6]]))


def test_questions_that_differ_only_in_the_first_of_many_fields_are_told_apart():
    lines = [[f"n{64 * row + place}" for place in range(64)] for row in range(4)]
    lines.append(["n1", *lines[0][1:]])
    assert len(rows("\n".join(map(",".join, lines)))) == 5


def test_a_malformed_line_that_stands_twice_is_malformed_twice_and_no_repetition():
    assert refused("a,r,b\n,r,b\n,r,b\n") == (
        "the upload has 2 lines that cannot be used: line 2 has an empty field; "
        "line 3 has an empty field"
    )


def test_a_million_rows_are_read():
    lines = (f"e{i % 50_000},r{i // 50_000},e{i * 7 % 50_000}" for i in range(1_000_000))
    content = "\n".join(lines).encode()
    started = process_time()
    table = parse(content)
    assert process_time() - started < 10
    assert table.cells.shape == (1_000_000, 3)
    assert table.names[table.cells[-1, 1]] == "r19"


def test_rows_past_the_most_that_can_be_used_are_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(upload_parser, "MOST_ROWS", 3)
    assert rows("a,b\nb,c\nc,d\n") == [("a", "b"), ("b", "c"), ("c", "d")]
    assert refused("a,b\nb,c\n\nc,d\nd,e\ne,f\n") == (
        "the upload has 2 lines that cannot be used: line 5 is beyond the 3 rows that can be "
        "used; line 6 is beyond the 3 rows that can be used"
    )
