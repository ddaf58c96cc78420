"""Input that makes no sense, past the forms: a clear message, and the lab is as it was."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from pyarrow import flight

from engine import Lab, LabError, connect
from engine.home import Home
from tests.labs import TINY, ends
from tests.processes import end_all

pytestmark = pytest.mark.long

TREE = TINY.model_dump(mode="json")


def changed(setting: str, value: Any) -> dict[str, Any]:
    section, key = setting.split(".")
    return TREE | {section: TREE[section] | {key: value}}


SENSELESS: dict[str, Callable[[Lab], object]] = {
    "a number that is none": lambda lab: lab.launch(changed("optimizer.learning_rate", math.nan)),
    "an endless number": lambda lab: lab.launch(changed("training.steps", math.inf)),
    "a huge number": lambda lab: lab.launch(changed("training.steps", 10**400)),
    "a setting nobody has": lambda lab: lab.launch(changed("task.pp", 7)),
    "a section nobody has": lambda lab: lab.launch(TREE | {"tasks": {}}),
    "a list for a section": lambda lab: lab.launch(TREE | {"task": [1]}),
    "nothing for a section": lambda lab: lab.launch(TREE | {"task": None}),
    "a kind nobody has": lambda lab: lab.launch(TREE | {"model": {"kind": "../gpt"}}),
    "half a character": lambda lab: lab.launch(TREE, name="\ud800"),
    "a name as long as a book": lambda lab: lab.launch(TREE, name="x" * 1_000_000),
    "too many tags": lambda lab: lab.launch(TREE, tags=[str(n) for n in range(99)]),
    "no seeds": lambda lab: lab.launch(TREE, seeds=0),
    "a run that cannot be": lambda lab: lab.pause(-1),
    "a run past all numbers": lambda lab: lab.runs([10**30]),
    "a note past all steps": lambda lab: lab.add_note(1, 10**30, "x"),
    "a negative range": lambda lab: lab.curves([1], lo=-5, hi=-9),
    "a kind of snapshot that is a path": lambda lab: lab.snapshot(1, "../../etc/passwd", 5),
    "a file without a suffix": lambda lab: lab.export([1], lab.home.path / "x"),
    "a file in no folder": lambda lab: lab.export([1], lab.home.path / "no" / "x.csv"),
    "thresholds nobody has": lambda lab: lab.redetect([1], {"rise": 3.0}),
}


pytestmark = pytest.mark.xdist_group("bad input")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory):
    """One lab with a finished run, for all that changes nothing."""
    home = Home(tmp_path_factory.mktemp("shared") / "lab")
    lab = connect(home)
    ends(lab, lab.launch(TINY)[0])
    yield lab
    end_all(home)


def contents(lab: Lab) -> tuple[Any, ...]:
    files = sorted(str(file) for file in lab.home.runs.rglob("*"))
    return lab.runs(), lab.health()["pid"], files


@pytest.mark.parametrize("ask", SENSELESS.values(), ids=SENSELESS)
def test_senseless_input_is_refused_in_words_and_changes_nothing(
    shared: Lab, ask: Callable[[Lab], object]
):
    before = contents(shared)
    with pytest.raises(LabError) as refused:
        ask(shared)
    assert contents(shared) == before
    message = str(refused.value)
    assert len(message) < 1000
    assert "Traceback" not in message
    assert "the engine failed" not in message


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"run": 1}', b"\xff\xfe"])
def test_malformed_json_does_not_end_the_engine(shared: Lab, body: bytes):
    before = contents(shared)
    address = json.loads(shared.home.daemon_info.read_text())["address"]
    with flight.FlightClient(address) as client:
        for call in ("launch", "pause", "nothing-of-that-name"):
            with pytest.raises(flight.FlightServerError, match=r"JSON|named|argument"):
                list(client.do_action(flight.Action(call, body)))
        with pytest.raises(flight.FlightServerError, match=r"JSON|named"):
            client.do_get(flight.Ticket(body)).read_all()
    assert contents(shared) == before
