"""The runs page finds runs by what people wrote and what the runs are."""

import pytest

from app.panels.filters import passes, unknown
from app.panels.table import frame_of
from engine import Lab
from tests.app.recorded import run
from tests.app.views.conftest import TINY, OpenPage
from tests.app.views.test_launch import texts
from tests.labs import ends

pytestmark = pytest.mark.xdist_group("a finished run")

CONFIG = {"task": {"kind": "modular", "operation": "add", "p": 59, "train_fraction": 0.4}}


def test_an_empty_lab_says_so(page: OpenPage):
    assert "No run yet" in texts(page("runs").info)


def test_runs_are_listed_with_the_steps_they_reached(page: OpenPage, finished: int):
    app = page("runs")
    frame = app.dataframe[0].value
    assert frame["run"].tolist() == [finished]
    assert frame["name"].tolist() == ["tiny <b>bold</b>"]


def test_a_filter_leaves_what_has_all_words_one_kind_and_one_tag():
    one = run(3, name="Weight decay", notes="slow", tags=["a", "b"], model="gpt")
    no = {"state": [], "model": ["gpt"]}
    assert passes(one, "decay SLOW", chosen=no, tags=["b"])
    assert not passes(one, "decay fast", chosen=no, tags=[])
    assert not passes(one, "", chosen={"model": ["mlp"]}, tags=[])
    assert not passes(one, "", chosen={}, tags=["c"])


def test_a_filter_finds_settings_by_name_and_value():
    config = {
        "task": {"kind": "composition", "phi": 8.0},
        "optimizer": {"kind": "adamw", "grokfast": "ema", "orthogonal_gradient": True},
        "training": {"loss": "stablemax"},
    }
    one = run(3, config=config)
    for text in ("phi=8", "grokfast=EMA stablemax", "orthogonal_gradient=true", "composition"):
        assert passes(one, text, chosen={}, tags=[]), text
    for text in ("phi=80", "grokfast", "grokfast=none", "phi=8 muon"):
        assert not passes(one, text, chosen={}, tags=[]), text


def test_a_filter_takes_full_and_short_names_blanks_and_comparisons():
    config = CONFIG | {"optimizer": {"kind": "adamw", "weight_decay": 3.0, "betas": [0.9, 0.98]}}
    one = run(3, config=config)
    for text in (
        *("task.p=59", "optimizer.weight_decay=3", "weight_decay=3.0", "p = 59", "Task.P= 59.0"),
        *("p>58", "p >= 59", "p<60", "p <=59", "p!=97", "train_fraction < 0.5", "kind=adamw"),
        *("betas=0.9,0.98", "weight_decay>=1e-2 p = 59 modular"),
    ):
        assert passes(one, text, chosen={}, tags=[]), text
    for text in (
        *("model.p=59", "optimizer.weight_decay=0.3", "p>59", "p >= 60", "p < 59", "p!=59"),
        *("d_model != 1", "operation > 3", "p>add", "p = 59 slow"),
    ):
        assert not passes(one, text, chosen={}, tags=[]), text


def test_a_filter_asks_for_what_became_of_a_run():
    one = run(
        3, config=CONFIG, test_accuracy=0.97, grokked_step=700, onset_step=None, task="modular"
    )
    for text in (
        *("state=running", "task=modular", "seed=3", "test_accuracy>0.95", "grokked_step <= 700"),
        *("chance < 0.02 delay=620", "run_id=3 p=59"),
    ):
        assert passes(one, text, chosen={}, tags=[]), text
    for text in (
        "state=failed",
        "task=group",
        "test_accuracy > 0.97",
        "onset_step > 0",
        "delay<620",
    ):
        assert not passes(one, text, chosen={}, tags=[]), text
    assert unknown([one], "state=running test_accuracy>1 onset_step>1") == []


def test_a_name_that_no_setting_has_is_told_with_the_nearest_one(page: OpenPage, finished: int):
    assert unknown([run(config=CONFIG)], "p=1 task.p>2 optimizer.betas=1 some words") == []
    app = page("runs", text="wieght_decay=3")
    assert "did you mean 'weight_decay'?" in texts(app.warning).replace("\\", "")
    app = page("runs", text=f"p={finished + 100}")
    assert texts(app.warning) == ""


def test_a_filter_that_no_run_fits_any_more_stays_and_can_be_cleared(
    page: OpenPage, finished: int, lab: Lab
):
    (other,) = lab.launch(TINY, tags=["second"])
    ends(lab, other)
    app = page("runs", tag="first")
    assert app.dataframe[0].value["run"].tolist() == [finished]
    lab.delete(finished)
    app.run()
    assert "No run fits the filter" in texts(app.info)
    assert not app.dataframe
    assert app.multiselect(key="tag").value == ["first"]
    app.button(key="clear-filter").click().run()
    assert app.dataframe[0].value["run"].tolist() == [other]
    assert app.multiselect(key="tag").value == []


def test_an_address_with_a_tag_that_no_run_has_shows_none(page: OpenPage, finished: int):
    app = page("runs", tag="gone", text=str(finished))
    assert "No run fits the filter" in texts(app.info)
    assert app.multiselect(key="tag").value == ["gone"]


def test_steps_that_were_not_reached_stay_empty():
    frame = frame_of([run(config=CONFIG), run(2, grokked_step=None, delay=None, config=CONFIG)])
    assert frame["grokked"].tolist()[0] == 700
    assert frame["grokked"].isna().tolist() == [False, True]
    assert frame["task"].tolist()[0] == "modular add 59 0.4"


def test_the_column_of_out_of_distribution_grokking_is_there_for_tasks_that_have_it():
    plain = run(config=CONFIG, splits=["test", "train"])
    split = run(2, config=CONFIG, splits=["test_id", "test_ood", "train"])
    assert "grokked OOD" not in frame_of([plain])
    assert "grokked OOD" in frame_of([plain, split])


def test_settings_that_differ_have_columns_of_their_own():
    task = CONFIG["task"]
    training = {"seed": 1, "steps": 100, "init_seed": None, "batch_size": 0}
    adamw = {"kind": "adamw", "learning_rate": 1e-3, "betas": [0.9, 0.98], "phi": 1}
    one = run(1, config={"task": task, "optimizer": adamw, "training": training})
    other = {
        "task": {**task, "p": 97, "train_fraction": 0.4, "phi": 3},
        "optimizer": {**adamw, "learning_rate": 1e-5, "betas": [0.9, 0.99]},
        "training": {**training, "seed": 2, "init_seed": 5},
    }
    frame = frame_of([one, run(2, config=other)])
    shown = list(frame)[list(frame).index("test accuracy") + 1 : list(frame).index("task")]
    assert shown == ["p", "learning_rate", "betas", "init_seed"]
    assert frame["learning_rate"].tolist() == [1e-3, 1e-5]
    assert frame["p"].tolist() == [59, 97]
    assert frame["betas"].tolist() == ["0.9, 0.98", "0.9, 0.99"]
    assert set(frame_of([one, one])) == set(frame) - set(shown)


def test_settings_of_one_name_in_two_sections_are_told_apart():
    def config(width: int) -> dict[str, dict[str, int]]:
        return {"task": {"step": width, "k": width}, "model": {"k": width}}

    frame = frame_of([run(1, config=config(1)), run(2, config=config(2))])
    assert {"task.step", "task.k", "model.k"} <= set(frame)
    assert frame["step"].tolist() == [1000, 1000]
