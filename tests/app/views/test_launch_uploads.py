"""The launch page's field for data of the user's own: a file, or what is kept already."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from data.uploads.settings import NEIGHBOURS, WEEKDAYS
from engine import Lab
from engine.home import Home
from tests.app.views.conftest import OpenPage
from tests.app.views.test_launch import texts

pytestmark = pytest.mark.shared_lab

SUMS = "".join(f"{a},{b},{a + b}\n" for a in range(9) for b in range(9)).encode()
FIELD = "task.sha256/0"


@pytest.fixture
def table(page: OpenPage) -> AppTest:
    """The launch page with the task `table`."""
    return page(**{"task.kind": "table"})


def unescaped(text: str, told: str) -> list[str]:
    return re.findall(rf"(?<!\\){re.escape(text)}", told)


def give(app: AppTest, content: bytes, name: str = "mine.csv") -> AppTest:
    return app.file_uploader(key=f"{FIELD}/file").set_value((name, content, "text/csv")).run()


def test_the_examples_can_be_chosen_and_are_described(table: AppTest):
    choice = table.selectbox(key=FIELD)
    assert choice.value == WEEKDAYS
    assert any("weekdays" in option for option in choice.options)
    assert "**98** rows of 3 fields" in texts(table.caption)
    choice.set_value(NEIGHBOURS).run()
    assert "**256** rows of 3 fields" in texts(table.caption)
    assert table.query_params["task.sha256"] == NEIGHBOURS


def test_an_uploaded_file_becomes_the_data_of_the_run(table: AppTest, lab: Lab):
    app = give(table, SUMS)
    assert not app.exception
    (kept,) = [row["sha256"] for row in lab.uploads() if not row["example"]]
    choice = app.selectbox(key=f"{FIELD}/{kept}")
    assert choice.value == kept
    assert any(option.startswith("mine.csv") for option in choice.options)
    assert "**81** rows of 3 fields" in texts(app.caption)
    assert app.query_params["task.sha256"] == kept
    assert not app.button(key="launch").disabled


def test_an_earlier_choice_can_be_taken_again_after_an_upload(table: AppTest, lab: Lab):
    app = give(table, SUMS)
    (kept,) = [row["sha256"] for row in lab.uploads() if not row["example"]]
    app.selectbox(key=f"{FIELD}/{kept}").set_value(NEIGHBOURS).run()
    app.text_input(key="run-name").set_value("another rerun").run()
    assert app.query_params["task.sha256"] == NEIGHBOURS


def test_a_refused_file_is_told_line_by_line_and_changes_nothing(table: AppTest, home: Home):
    app = give(table, b"a,b,<img src=x>\na,b,**bold**\n", "<b>evil</b>.csv")
    told = texts(app.markdown)
    assert "line 2 contradicts line 1" in told
    assert unescaped("<img", told) == []
    assert unescaped("**bold", told) == []
    assert "<img src=x>" in told.replace("\\", "")
    assert app.selectbox(key=FIELD).value == WEEKDAYS
    assert not home.uploads.exists()
    assert "The file that was uploaded last cannot be used" in texts(app.error)
    assert app.button(key="launch").disabled
    app.file_uploader(key=f"{FIELD}/file").set_value([]).run()
    assert not app.button(key="launch").disabled


def test_hostile_names_inside_a_file_are_shown_as_text(table: AppTest):
    app = give(table, b"<script>alert(1)</script>,b,[x](http://y)\nc,d,e\n", "../../x.csv")
    told = texts(app.caption)
    assert unescaped("<script", told) == []
    assert unescaped("[x", told) == []
    assert "<script>alert(1)</script>" in told.replace("\\", "")


def test_a_header_is_counted_or_not_as_the_switch_says(table: AppTest):
    app = give(table, b"a,b,sum\n" + SUMS)
    assert "**82** rows" in texts(app.caption)
    app.toggle(key="task.header/0").set_value(True).run()
    assert "**81** rows" in texts(app.caption)


def test_data_that_is_not_kept_here_is_told_under_the_field(page: OpenPage):
    app = page(**{"task.kind": "table", "task.sha256": "0" * 64})
    assert "no upload is kept under sha256" in texts(app.markdown)
