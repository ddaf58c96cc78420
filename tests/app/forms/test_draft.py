"""A draft knows what differs from its preset, and says what is wrong where it is wrong."""

import shlex

from app.forms.draft import Draft, changes_between
from engine import PRESETS, apply, parse_json
from engine.cli.arguments import parser

QUICK = PRESETS["quick"].config


def test_an_untouched_draft_is_its_preset():
    config, problems = Draft("quick", QUICK).check()
    assert config == QUICK
    assert problems == {}


def test_a_value_put_back_counts_as_unchanged():
    draft = Draft("quick", QUICK)
    draft.put("task.p", 97)
    assert draft.changes == {"task.p": 97}
    draft.put("task.p", QUICK.task.p)
    assert draft.changes == {}


def test_what_is_wrong_is_told_by_setting():
    draft = Draft("quick", QUICK)
    draft.put("optimizer.learning_rate", "fast")
    draft.put("task.p", 1)
    config, problems = draft.check()
    assert config is None
    assert set(problems) == {"optimizer.learning_rate", "task.p"}
    assert "got 1" in problems["task.p"]


def test_another_kind_starts_from_its_own_defaults():
    draft = Draft("quick", QUICK)
    draft.put("optimizer.betas", [0.5, 0.5])
    draft.put_kind("optimizer", "sgd")
    config, problems = draft.check()
    assert problems == {}
    assert config is not None
    assert config.optimizer.kind == "sgd"
    assert draft.changes == {"optimizer.kind": "sgd"}


def test_json_taken_into_a_draft_gives_the_same_configuration_back():
    wanted = apply(QUICK, {"task.p": 97, "optimizer.kind": "sgd", "optimizer.momentum": 0.5})
    draft = Draft("quick", QUICK)
    draft.changes = changes_between(QUICK, parse_json(wanted.model_dump_json()))
    assert draft.check()[0] == wanted


def test_the_command_line_says_the_same():
    draft = Draft("quick", QUICK)
    draft.put("task.p", 97)
    draft.put("task.format", "a o b =")
    command = draft.command(3, "it's")
    assert command.startswith("python -m engine run quick --set task.p=97 --set")
    assert "'task.format=a o b ='" in command
    assert command.endswith("""--seeds 3 --name 'it'"'"'s'""")


def test_the_command_line_describes_the_runs_as_the_form_does():
    draft = Draft("quick", QUICK)
    tags, notes = ["grid", "-x y"], "- first\n- second"
    words = shlex.split(draft.command(1, "-n", tags=tags, notes=notes))
    given = parser().parse_args(words[3:])
    assert (given.name, given.tags, given.notes) == ("-n", tags, notes)
    plain = parser().parse_args(shlex.split(draft.command(1, ""))[3:])
    assert (plain.name, plain.tags, plain.notes) == ("", [], "")
