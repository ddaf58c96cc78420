"""The launch page: presets, live validation, cost, links, and runs that start."""

import pytest

from data import task_sizes
from engine import PRESETS, Lab, apply, settings_of
from engine.daemon.memory import gpu_names
from tests.app.views.conftest import TINY, OpenPage

pytestmark = pytest.mark.shared_lab


def texts(elements: object) -> str:
    return "\n".join(str(element.value) for element in elements)  # pyright: ignore


def test_every_preset_has_a_card_that_says_what_to_expect(page: OpenPage):
    shown = texts(page().markdown) + texts(page().caption)
    plainly = shown.replace("\\", "")
    for preset in PRESETS.values():
        assert preset.title in plainly
        assert str(preset.expectation) in plainly


def test_the_page_tells_what_a_run_costs(page: OpenPage):
    assert "parameters" in texts(page().markdown)


def test_what_is_held_out_is_told_apart_from_probes_of_what_is_trained_on(page: OpenPage):
    shown = texts(page(preset="comparison-small").markdown)
    sizes = task_sizes(PRESETS["comparison-small"].config.task)
    assert f"{sizes.train:,} to train on, {sizes.test:,} held out" in shown
    assert f"{sizes.probes:,} probes of facts that are trained on" in shown
    assert "probes of facts" not in texts(page(preset="quick").markdown)


def test_a_run_that_could_never_have_its_memory_is_told_before_it_is_launched(page: OpenPage):
    large = {"task.kind": "composition", "model.d_model": "2048", "model.n_layers": "16"}
    assert "it waits and never starts" in texts(page(**large).warning)
    small = large | {"training.batch_size": "8", "model.n_layers": "1"}
    assert "never starts" not in texts(page(**small).warning)


def test_a_row_of_each_split_is_shown_with_its_answer_and_the_largest_phi(page: OpenPage):
    app = page(preset="composition-small")
    shown = texts(app.markdown)
    for split in ("train", "test_id", "test_ood", "atomic_id", "atomic_ood"):
        assert f"- {split} (" in shown
    assert "→ **" in shown
    assert "phi can be at most" in shown


def test_kinds_are_explained_with_their_source(page: OpenPage):
    app = page(preset="comparison-mamba2")
    assert "Dao and Gu 2024" in texts(app.caption)
    assert app.selectbox(key="model.kind/0").value == "mamba2"


def test_what_was_published_of_an_accelerator_stands_beside_it(page: OpenPage):
    shown = texts(page().caption).replace("\\", "")
    for setting in (*settings_of("optimizer", "adamw"), *settings_of("model", "gpt")):
        assert setting.published in shown
    assert "AdamW with a tuned rate and decay matched or beat it" in shown


def test_the_most_frequent_answer_is_a_baseline_that_is_in_sight(page: OpenPage):
    assert "the most frequent answer in" in texts(page(preset="comparison-small").caption)


def test_the_example_is_that_of_the_first_run(page: OpenPage):
    assert "Drawn with seed 5" in texts(page(**{"training.seed": "5"}).caption)
    assert "Drawn with seed 6" in texts(page(**{"training.split_seed": "6"}).caption)


def test_a_setting_out_of_range_is_told_beside_its_field_and_nothing_can_be_launched(
    page: OpenPage,
):
    app = page()
    app.number_input(key="task.p/0").set_value(2).run()
    assert "got 2" in texts(app.markdown)
    assert app.button(key="launch").disabled
    app.number_input(key="task.p/0").set_value(59).run()
    assert not app.button(key="launch").disabled


def test_a_problem_in_a_folded_field_is_told_beside_the_launch_button(page: OpenPage):
    app = page(**{"optimizer.betas": "0.9"})
    assert "optimizer.betas takes 2 values" in texts(app.warning).replace("\\", "")
    assert app.button(key="launch").disabled


def test_what_this_machine_or_an_upload_cannot_give_cannot_be_launched(page: OpenPage):
    for address, sentence in (
        ({"training.device": "cuda"}, "which has no CUDA device"),
        ({"task.kind": "triples", "task.phi": "9"}, "phi must be at most"),
    ):
        if gpu_names() and "training.device" in address:
            continue
        app = page(**address)
        assert sentence in texts(app.error).replace("\\", "")
        assert app.button(key="launch").disabled


def test_what_differs_from_the_preset_is_listed_and_in_the_address(page: OpenPage):
    app = page()
    app.text_input(key="optimizer.weight_decay/0").set_value("0.3").run()
    was = PRESETS["quick"].config.optimizer.weight_decay
    assert f"`optimizer.weight_decay` {was:g} → **0\\.3**" in texts(app.markdown)
    assert app.query_params["optimizer.weight_decay"] == "0.3"


def test_a_link_restores_the_form(page: OpenPage):
    app = page(
        preset="nanda", **{"task.p": "97", "optimizer.kind": "sgd", "seeds": "3", "name": "mine"}
    )
    assert app.number_input(key="task.p/0").value == 97
    assert app.selectbox(key="optimizer.kind/0").value == "sgd"
    assert app.number_input(key="n-seeds").value == 3
    assert app.text_input(key="run-name").value == "mine"


EXACT = {"optimizer.learning_rate": 0.00123456789, "task.train_fraction": 0.3333333333}


def test_what_is_not_edited_is_launched_to_its_last_digit(page: OpenPage, lab: Lab):
    link = {name: str(value) for name, value in EXACT.items()}
    app = page(**link)
    app.text_input(key="optimizer.weight_decay/0").set_value("0.3").run()
    assert {name: app.query_params[name] for name in EXACT} == link
    app.text_area(key="pasted").set_value(apply(TINY, EXACT).model_dump_json()).run()
    app.button(key="take-json").click().run()
    app.button(key="launch").click().run()
    config = lab.runs()[-1]["config"]
    assert config == apply(TINY, EXACT).model_dump(mode="json")


def test_a_share_that_is_moved_has_no_digits_of_the_browser(page: OpenPage):
    app = page(**{"task.train_fraction": "0.3333333333"})
    app.slider(key="task.train_fraction/0").set_value(0.1 + 0.2).run()
    assert app.query_params["task.train_fraction"] == "0.3"


@pytest.mark.parametrize(("key", "first"), [("task.p/0", 61), ("n-seeds", 3)])
def test_a_number_that_is_cleared_goes_back_to_what_it_was(page: OpenPage, key: str, first: int):
    app = page()
    for number in (first, first + 6):
        app.number_input(key=key).set_value(number).run()
        assert app.number_input(key=key).proto.default == number


@pytest.mark.parametrize(("typed", "told"), [("0,001", "got '0,001'"), ("", "got none")])
def test_what_is_no_number_is_told_as_it_was_typed(page: OpenPage, typed: str, told: str):
    app = page()
    app.text_input(key="optimizer.learning_rate/0").set_value(typed).run()
    assert told in texts(app.warning).replace("\\", "")
    app.text_input(key="optimizer.learning_rate/0").set_value("0.001").run()
    assert not app.button(key="launch").disabled


def test_tags_and_notes_are_on_the_command_line_and_the_tags_in_the_address(page: OpenPage):
    app = page(tags="grid,late")
    app.text_area(key="run-notes").set_value("seen twice").run()
    command = next(code.value for code in app.code if "engine run" in code.value)
    assert command.endswith("run quick --tag grid --tag late --notes 'seen twice'")
    assert app.query_params["tags"] == "grid,late"
    assert "all of it but the notes" in texts(app.caption)


def test_the_address_has_no_parts_of_the_page_that_was_left(page: OpenPage):
    app = page(runs="1", steps="5-40", **{"task.p": "97"})
    assert set(app.query_params) == {"preset", "task.p"}


def test_a_link_with_nonsense_is_told_and_breaks_nothing(page: OpenPage):
    app = page(preset="nothing", **{"task.q": "1", "task.p": "many", "seeds": "x"})
    assert "No preset is called nothing" in texts(app.warning)
    assert "task" in texts(app.error)
    assert app.button(key="launch").disabled


def test_another_preset_replaces_every_value(page: OpenPage):
    app = page()
    app.button(key="preset-nanda").click().run()
    assert app.number_input(key="task.p/1").value == 113
    assert app.query_params["preset"] == "nanda"


def test_pasted_json_becomes_the_form_and_malformed_json_changes_nothing(page: OpenPage):
    app = page()
    app.text_area(key="pasted").set_value("{").run()
    app.button(key="take-json").click().run()
    assert "not JSON" in texts(app.error).replace("\\", "")
    app.text_area(key="pasted").set_value(TINY.model_dump_json()).run()
    app.button(key="take-json").click().run()
    assert app.number_input(key="task.p/1").value == 7


def test_pasted_json_of_a_few_settings_leaves_the_others(page: OpenPage):
    app = page(preset="nanda", **{"optimizer.weight_decay": "0.5"})
    app.text_area(key="pasted").set_value('{"task": {"p": 97}, "model": {"kind": "mlp"}}').run()
    app.button(key="take-json").click().run()
    assert not app.error
    assert app.number_input(key="task.p/1").value == 97
    assert app.selectbox(key="model.kind/1").value == "mlp"
    assert app.query_params["optimizer.weight_decay"] == "0.5"
    assert app.query_params["preset"] == "nanda"
    app.text_area(key="pasted").set_value('{"task": 5}').run()
    app.button(key="take-json").click().run()
    assert "task" in texts(app.error)
    assert app.number_input(key="task.p/1").value == 97


@pytest.mark.parametrize(("given", "wanted"), [("pair", "pair"), ("", "no-decay")])
def test_launching_starts_the_runs_with_their_seeds_and_shows_them(
    page: OpenPage, lab: Lab, given: str, wanted: str
):
    app = page(preset="no-decay")
    app.text_area(key="pasted").set_value(TINY.model_dump_json()).run()
    app.button(key="take-json").click().run()
    app.number_input(key="n-seeds").set_value(2).run()
    app.text_input(key="run-name").set_value(given).run()
    app.button(key="launch").click().run()
    assert not app.exception
    runs = lab.runs()[-2:]
    assert [(run["name"], run["seed"]) for run in runs] == [(wanted, 0), (wanted, 1)]
    assert app.query_params["runs"] == ",".join(str(run["run_id"]) for run in runs)


def test_more_seeds_than_there_may_be_are_refused_in_words(page: OpenPage):
    app = page("launch")
    app.number_input(key="n-seeds").set_value(65).run()
    assert "The number of seeds must lie between 1 and 64, got 65" in texts(app.error)
    assert app.button(key="launch").disabled
    app.number_input(key="n-seeds").set_value(64).run()
    assert not app.button(key="launch").disabled
