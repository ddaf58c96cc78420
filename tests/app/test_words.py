"""Figures read well, and nobody's text becomes markup."""

import pytest

from app.words import about, count, duration, figure, percent, percentage, plain, size


@pytest.mark.parametrize(
    "text",
    ["<b>x</b>", "[a](http://b)", "![a](http://b)", "**x**", "$x$", ":red[x]", "`x`", "# x"],
)
def test_markup_in_a_name_is_shown_as_typed(text: str):
    written = plain(text)
    assert all(written[i - 1] == "\\" for i, mark in enumerate(written) if mark in "<>[]()*$:`#!")
    assert written.replace("\\", "") == text


def test_line_breaks_cannot_start_a_heading():
    assert plain("a\n\n# b") == "a \\# b"


def test_figures_are_short_and_honest():
    assert [count(12431), count(None)] == ["12,431", "–"]
    assert [percent(0.99784), percent(1 / 59), percent(0.5)] == ["99.78 %", "1.69 %", "50.00 %"]
    assert [percent(0.0005), percent(0.00001)] == ["0.05 %", "0.001 %"]
    assert [figure(0.00012345), figure(12431.2), figure(0.5)] == ["1.23e-04", "12,431", "0.5"]
    assert [duration(0.2), duration(200), duration(7500)] == [
        "under 1 s",
        "3 min 20 s",
        "2 h 5 min",
    ]
    assert [about(0.2), about(200)] == ["under 1 s", "about 3 min 20 s"]
    assert size(319_324_160) == "319 MB"


def test_only_what_is_all_or_nothing_is_100_or_0_percent():
    assert [percent(1.0), percent(0.0)] == ["100 %", "0 %"]
    assert [percent(0.999999), percent(1e-9)] == ["99.99 %", "1e-07 %"]


def test_the_number_of_a_percentage_is_the_one_that_is_written():
    shares = [0.999999, 1.0, 0.99784, 0.00001, 0.0, None]
    assert [percentage(share) for share in shares] == [99.99, 100, 99.78, 0.001, 0, None]


def test_a_loss_that_has_run_away_is_told_by_its_exponent():
    assert figure(1_012_353_029_516_534_874_112) == "1.01e+21"
    assert figure(-2.5e6) == "-2.50e+06"
    assert figure(999_999.0) == "999,999"
