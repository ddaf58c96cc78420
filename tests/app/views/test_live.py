"""The live page: every state has a face, controls tell the truth, the address holds the view."""

import pytest

from engine import PRESETS, Lab, apply
from tests.app.views.conftest import TINY, OpenPage
from tests.app.views.test_launch import texts
from tests.labs import ENDLESS, ends, reaches, state, until

pytestmark = pytest.mark.xdist_group("a finished run")


def test_an_empty_lab_offers_the_first_launch(page: OpenPage):
    assert "No run yet" in texts(page("live").info)


def test_a_finished_run_shows_its_state_phase_figures_and_events(page: OpenPage, finished: int):
    app = page("live", runs=str(finished))
    shown = texts(app.markdown)
    assert "finished" in shown
    assert "step **60** of 60" in shown
    assert "Events" in shown


def test_names_and_notes_are_shown_as_typed(page: OpenPage, finished: int):
    app = page("live", runs=str(finished))
    assert app.title[0].value == r"tiny \<b\>bold\<\/b\>"
    assert r"\*\*loud\*\* note" in texts(app.markdown)


def test_what_makes_no_sense_now_cannot_be_pressed(page: OpenPage, finished: int):
    app = page("live", runs=str(finished))
    disabled = {verb: app.button(key=f"do-{verb}").disabled for verb in ("pause", "stop", "kill")}
    assert disabled == {"pause": True, "stop": True, "kill": True}
    assert not app.button(key="do-delete").disabled


def test_nothing_is_deleted_before_it_is_confirmed(page: OpenPage, finished: int, lab: Lab):
    app = page("live", runs=str(finished))
    app.button(key="do-delete").click().run()
    assert len(lab.runs()) == 1
    app.button(key="delete-now-cancel").click().run()
    assert len(lab.runs()) == 1
    assert not [button for button in app.button if button.key == "delete-now"]
    app.button(key="do-delete").click().run()
    app.button(key="delete-now").click().run()
    assert lab.runs() == []


def test_a_fork_goes_on_from_a_checkpoint_with_other_settings(
    page: OpenPage, finished: int, lab: Lab
):
    app = page("live", runs=str(finished))
    app.button(key="do-fork").click().run()
    app.text_area(key="fork-settings").set_value(
        "optimizer.weight_decay = 0.5\ntraining.steps = 120"
    ).run()
    app.button(key="fork-now").click().run()
    assert texts(app.error) == ""
    fork = lab.runs()[-1]
    assert fork["parent_run"] == finished
    assert fork["config"]["optimizer"]["weight_decay"] == 0.5
    assert app.query_params["runs"] == f"{finished},{fork['run_id']}"


def _checkpointing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> int:
    """A run that trains, and soon replaces any checkpoint that is not kept."""
    monkeypatch.setenv("GROKKING_LAB_CHECKPOINT_SECONDS", "0.2")
    (run,) = lab.launch(ENDLESS)
    reaches(lab, run, 400)
    return run


@pytest.mark.long
def test_a_run_that_trains_is_forked_at_the_step_that_is_shown(
    page: OpenPage, lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    run = _checkpointing(lab, monkeypatch)
    app = page("live", runs=str(run))
    app.button(key="do-fork").click().run()
    shown = app.select_slider(key="fork-step").value
    # one that is kept would stay
    rolling = until(lambda: {row["step"] for row in lab.checkpoints(run) if not row["kept"]})
    until(lambda: not rolling & {row["step"] for row in lab.checkpoints(run)})
    app.text_area(key="fork-settings").set_value("optimizer.weight_decay = 0.5").run()
    assert app.select_slider(key="fork-step").value == shown
    app.button(key="fork-now").click().run()
    assert lab.runs()[-1]["parent_step"] == shown


@pytest.mark.long
def test_a_step_whose_checkpoint_was_replaced_is_not_exchanged_for_another_unseen(
    page: OpenPage, lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    run = _checkpointing(lab, monkeypatch)
    lab.pause(run)
    until(lambda: state(lab, run) == "paused")
    app = page("live", runs=str(run))
    app.button(key="do-fork").click().run()
    latest = lab.checkpoints(run)[-1]["step"]
    assert app.select_slider(key="fork-step").value == latest
    lab.resume(run)
    until(lambda: latest not in {row["step"] for row in lab.checkpoints(run)})
    app.button(key="fork-now").click().run()
    assert f"replaced its checkpoint of step {latest:,}" in texts(app.warning)
    assert len(lab.runs()) == 1
    shown = app.select_slider(key="fork-step").value
    assert shown != latest
    app.button(key="fork-now").click().run()
    assert lab.runs()[-1]["parent_step"] == shown


def test_a_composition_run_is_forked_to_learn_new_facts(page: OpenPage, lab: Lab):
    (parent,) = lab.launch(apply(PRESETS["composition-small"].config, {"training.steps": 20}))
    ends(lab, parent)
    app = page("live", runs=str(parent))
    app.button(key="do-fork").click().run()
    app.toggle(key="fork-teach").set_value(True).run()
    app.text_area(key="fork-settings").set_value(
        "task.n_new = 100\ntask.n_retained = 600\ntraining.steps = 40"
    ).run()
    app.button(key="fork-now").click().run()
    assert texts(app.error) == ""
    task = lab.runs()[-1]["config"]["task"]
    assert (task["kind"], task["n_new"], task["n_entities"]) == ("transfer", 100, 50)


def test_only_networks_that_know_facts_are_offered_new_ones(page: OpenPage, finished: int):
    app = page("live", runs=str(finished))
    app.button(key="do-fork").click().run()
    assert [toggle.key for toggle in app.toggle if toggle.key == "fork-teach"] == []


CONTEXT = {
    "task.kind": "in_context",
    "task.p": 5,
    "task.n_shots": 4,
    "task.n_rectangles": 2,
    "task.train_fraction": 0.6,
    "task.train_size": 64,
    "task.test_size": 40,
}


def test_what_is_learned_in_context_is_told_triple_by_triple(
    page: OpenPage, lab: Lab, finished: int
):
    (run,) = lab.launch(apply(TINY, CONTEXT | {"model.d_model": 16}))
    ends(lab, run)
    assert "**Accuracy by triple** at step 60" in texts(page("live", runs=str(run)).markdown)
    shown = page("live", runs=str(run), at="10").markdown
    assert "**Accuracy by triple** at step 10" in texts(shown)
    assert "triple" not in texts(page("live", runs=str(finished)).markdown)


def test_what_is_asked_and_of_how_many_rows_is_told_once_it_is_opened(
    page: OpenPage, finished: int
):
    app = page("live", runs=str(finished))
    assert "- train (14)" not in texts(app.markdown)
    app.session_state["asked-rows"] = True
    app.run()
    assert "- train (14)" in texts(app.markdown)


def test_a_refused_fork_says_why_and_starts_nothing(page: OpenPage, finished: int, lab: Lab):
    app = page("live", runs=str(finished))
    app.button(key="do-fork").click().run()
    app.text_area(key="fork-settings").set_value("weight decay 0.5").run()
    app.button(key="fork-now").click().run()
    assert "section" in texts(app.error)
    assert len(lab.runs()) == 1


def test_a_note_is_pinned_to_its_step(page: OpenPage, finished: int, lab: Lab):
    app = page("live", runs=str(finished))
    app.button(key="do-note").click().run()
    app.number_input(key="note-step").set_value(20).run()
    app.text_area(key="note-text").set_value("<i>here</i>").run()
    app.button(key="note-now").click().run()
    notes = [event for event in lab.events([finished]) if event["kind"] == "note"]
    assert [event["step"] for event in notes] == [20]
    assert r"\<i\>here\<\/i\>" in texts(app.markdown)


def test_a_note_without_a_text_is_asked_for_one(page: OpenPage, finished: int, lab: Lab):
    app = page("live", runs=str(finished))
    app.button(key="do-note").click().run()
    app.button(key="note-now").click().run()
    assert "A note needs a text" in texts(app.error)
    assert lab.events([finished]) == []
    app.text_area(key="note-text").set_value("seen")
    app.button(key="note-now").click().run()
    (note,) = lab.events([finished])
    assert note["payload"]["text"] == "seen"


def test_only_runs_of_different_seeds_are_a_median_of_seeds(
    page: OpenPage, finished: int, lab: Lab
):
    (same,) = lab.launch(TINY)
    (other,) = lab.launch(apply(TINY, {"training.seed": 1}))
    ends(lab, same)
    ends(lab, other)

    def drawn(*runs: int) -> str:
        app = page("live", runs=",".join(map(str, runs)))
        return str([chart.proto for chart in app.get("bidi_component")])

    assert "median of 2 seeds" in drawn(finished, other)
    assert "median of" not in drawn(finished, same)


def test_an_address_of_runs_that_do_not_exist_says_so(page: OpenPage, finished: int):
    app = page("live", runs=f"{finished + 50},abc,../x")
    assert "None of the runs" in texts(app.info)


def test_the_view_in_the_address_is_the_view_on_the_page(page: OpenPage, finished: int):
    app = page("live", runs=str(finished), x="linear", measures="weight_norm", steps="5-40")
    assert app.toggle(key="linear-x").value is True
    assert app.query_params["steps"] == "5-40"
    assert app.query_params["measures"] == "weight_norm"
