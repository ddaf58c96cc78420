"""The command line: what it prints, and with which status it ends."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2LMHeadModel

from data import build_task
from engine import PRESETS, RunConfig, connect
from engine.cli.main import main
from engine.client.remote import ADDRESS
from engine.daemon.election import ALREADY_RUNNING
from engine.home import Home
from tests.processes import daemon_pid

TINY = [
    *("--set", "task.p=11", "--set", "model.d_model=16", "--set", "model.n_heads=2"),
    *("--set", "model.d_mlp=32", "--set", "training.steps=150"),
]

pytestmark = pytest.mark.usefixtures("home")


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.shared_lab
def test_presets_are_objects_with_what_they_promise(capsys: pytest.CaptureFixture[str]) -> None:
    rows = printed(capsys, "presets")
    assert [row["name"] for row in rows] == list(PRESETS)
    assert {"name", "task", "model", "description", "expectation"} == set(rows[0])


@pytest.mark.shared_lab
def test_a_waited_for_run_prints_its_result(capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = printed(capsys, "run", "quick", *TINY, "--wait", "--name", "tiny")
    assert set(row) == {
        *("run_id", "name", "seed", "state", "steps", "seconds", "memorised_step"),
        *("onset_step", "grokked_step", "train_accuracy", "test_accuracy", "steps_per_second"),
    }
    assert (row["name"], row["state"], row["steps"]) == ("tiny", "finished", 150)
    assert row["seconds"] > 0


@pytest.mark.shared_lab
def test_runs_are_launched_with_tags_and_notes(capsys: pytest.CaptureFixture[str]) -> None:
    described = ("--tag", "grid", "--tag", "late", "--notes", "seen twice")
    (row,) = printed(capsys, "run", "quick", *TINY, *described)
    (run,) = connect().runs([row["run_id"]])
    assert (run["tags"], run["notes"]) == (["grid", "late"], "seen twice")


def test_a_run_that_fails_is_told_as_it_is_with_status_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    exploding = ["optimizer.learning_rate=1", "model.init_scale=100"]
    settings = [part for change in exploding for part in ("--set", change)]
    assert main(["run", "quick", *TINY, *settings, "--wait", "--json"]) == 1
    out, err = capsys.readouterr()
    (row,) = json.loads(out)
    assert err.startswith("run 1 failed: ")
    assert err.strip() == f"run 1 failed: {printed(capsys, 'show', '1')['state_reason']}"
    assert row["state"] == "failed"
    assert 0 < row["steps"] < 150
    assert row["grokked_step"] is None


def test_the_runs_are_listed_shown_queried_and_exported(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    printed(capsys, "run", "quick", *TINY, "--wait", "--seeds", "2")
    assert [row["seed"] for row in printed(capsys, "list")] == [0, 1]
    shown = printed(capsys, "show", "2")
    assert shown["run_id"] == 2
    connect().redetect([2], {"train": 0.3})
    main(["show", "2"])
    out = capsys.readouterr().out.splitlines()
    assert out[2].split() == ["step", "kind", "split", "value", "detector", "at"]
    assert out[3].split()[1:3] == ["memorised", "train"]
    (count,) = printed(capsys, "sql", "SELECT count(DISTINCT run_id) AS n FROM metrics")
    assert count == {"n": 2}
    twice = "SELECT 1 AS a, 2 AS a_2, 3 AS a, 4 AS a"
    assert printed(capsys, "sql", twice) == [{"a": 1, "a_2": 2, "a_3": 3, "a_4": 4}]
    for suffix in ("parquet", "csv", "json"):
        file = tmp_path / f"curves.{suffix}"
        assert printed(capsys, "export", "1", "2", "--to", str(file))["bytes"] > 1000
    fork = printed(capsys, "fork", "1", "--at", "100", "--set", "optimizer.weight_decay=0")
    assert fork["parent_run"] == 1
    main(["fork", "1", "--at", "149"])
    told = capsys.readouterr().out
    step = printed(capsys, "show", "4")["parent_step"]
    assert told == f"run 4 goes on from run 1 at step {step}, the last checkpoint before 149\n"


@pytest.mark.shared_lab
@pytest.mark.timeout(60)
def test_thousands_of_columns_of_one_name_are_told_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ones = ", ".join(["1 AS a"] * 2000)
    (row,) = printed(capsys, "sql", f"SELECT {ones}, 3 AS a_7")
    assert list(row)[:7] == ["a", "a_2", "a_3", "a_4", "a_5", "a_6", "a_8"]
    assert (len(row), row["a_7"]) == (2001, 3)


@pytest.mark.shared_lab
def test_an_empty_lab_says_how_it_gets_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert err == "no runs yet; `python -m engine run quick` launches one\n"
    assert printed(capsys, "list") == []


def test_a_network_is_exported_and_transformers_finds_the_answers_that_were_measured(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    gpt2 = ["norm=pre", "attention_bias=true", "activation=gelu_tanh"]
    settings = [word for setting in gpt2 for word in ("--set", f"model.{setting}")]
    (run,) = printed(capsys, "run", "quick", *TINY, *settings, "--wait")
    out = tmp_path / "network"
    asked = ("export", "1", "--to", str(out), "--format", "hf")
    written = printed(capsys, *asked)
    assert (written["step"], written["architecture"]) == (150, "GPT2LMHeadModel")
    (row,) = printed(capsys, "list")
    task = build_task(RunConfig.model_validate(row["config"]).task, seed=run["seed"])
    train, model = task.splits["train"], GPT2LMHeadModel.from_pretrained(out)
    logits = model(torch.from_numpy(train.tokens)).logits[:, list(task.read_at), : task.n_classes]
    right = logits.argmax(-1).numpy() == train.targets
    assert right.mean() == pytest.approx(run["train_accuracy"])
    assert main([*asked]) == 2
    assert "must name a folder that is new or empty" in capsys.readouterr().err
    assert main(["export", "1", "--to", f"{out}-100", "--format", "hf", "--at", "100"]) == 0
    assert "GPT2LMHeadModel of run 1 at step" in capsys.readouterr().out


@pytest.mark.shared_lab
def test_data_of_ones_own_is_kept_and_the_printed_settings_name_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("a,r,b\nb,r,c\n")
    settings = printed(capsys, "upload", str(file), "--as", "triples")["task"]
    assert main(["upload", str(file), "--as", "triples"]) == 0
    words = f"--set task.kind=triples --set task.sha256={settings['sha256']}"
    assert capsys.readouterr().out.endswith(f"python -m engine run quick {words}\n")
    file.write_text("a,r,b\na,r,c\n")
    assert main(["upload", str(file), "--as", "triples"]) == 2
    assert "line 2 contradicts line 1" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_no_upload(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upload", "nowhere.csv"]) == 2
    assert capsys.readouterr().err.startswith("nowhere.csv cannot be read: No such file")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="a file without an end: Linux has one")
@pytest.mark.shared_lab
@pytest.mark.timeout(60)
def test_of_a_file_without_an_end_no_more_is_read_than_can_be_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data.uploads.shelf.MOST_BYTES", 1000)
    monkeypatch.setattr("engine.cli.uploading.MOST_BYTES", 1000)
    assert main(["upload", "/dev/zero"]) == 2
    assert capsys.readouterr().err.startswith("an upload may have at most 1,000 bytes, got 1,001;")


@pytest.mark.parametrize("as_network", [(), ("--format", "hf")])
def test_nothing_is_exported_to_the_disk_of_another_machine(
    as_network: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(ADDRESS, "grpc+tls://elsewhere:1")
    assert main(["export", "1", "--to", "a.csv", *as_network]) == 2
    told = "export writes on the machine of the engine grpc+tls://elsewhere:1; run it there"
    assert capsys.readouterr().err.startswith(told)


@pytest.mark.shared_lab
def test_a_second_daemon_names_the_first(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    connect().health()
    assert main(["serve"]) == ALREADY_RUNNING == 3
    told = f"a daemon already serves this home (process {daemon_pid(home)})\n"
    assert capsys.readouterr().err == told


@pytest.mark.shared_lab
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("run qick", "no preset is called 'qick'; did you mean 'quick'?"),
        (
            "run quick --set optimizer.learning_rate=7",
            "optimizer.learning_rate must lie between 1e-06 and 1, got 7",
        ),
        ("run quick --set task.pp=7", "task (modular) has no setting 'pp'; did you mean 'p'?"),
        ("run quick --seeds x", "argument --seeds: must be a whole number, got 'x'; `python"),
        ("show 1,000", "argument RUN: must be a whole number, got '1,000'; `python -m engine sh"),
        (
            "bench --seconds x",
            "argument --seconds: must be a number, got 'x'; `python -m engine b",
        ),
        ("show 1 2", "unrecognized arguments: 2; `python -m engine show --help` lists what is"),
        ("export 1 2 --to x --format hf", "--format hf writes one run to a folder, got 2 runs"),
        ("export 1 --to x.csv --at 5", "--at chooses a checkpoint of a network; add --format hf"),
        ("export 99 --to x --format hf", "there is no run 99; it may have been deleted"),
        ("lst", "argument COMMAND: there is no 'lst', did you mean 'list'"),
        (
            "run quick --seeds 2 --set task.kind=search --set task.n_entities=60"
            " --set task.n_attributes=1 --set task.n_values=3 --set task.shown_share=0.05"
            " --set task.hard_per_label=1",
            "seed 1 draws no hard query",
        ),
        ("bench speed", "no measurement is called 'speed'"),
        ("bench --sizes 1,x", "argument --sizes: whole numbers with commas between, got '1,x'"),
        ("serve --listen 0.0.0.0:1", "--listen takes grpc+unix://PATH or grpc+tls://HOST:PORT"),
        (
            "serve --listen grpc+tls://localhost:99999 --certificate F --key F",
            "--listen takes grpc+tls://HOST:PORT with a port between 1 and 65535, got",
        ),
    ],
)
def test_unusable_arguments_end_with_status_2_and_one_sentence(
    arguments: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments.split()) == 2
    assert capsys.readouterr().err.startswith(sentence)


@pytest.mark.shared_lab
@pytest.mark.parametrize("verb", ["show", "pause", "resume", "stop", "kill", "delete"])
def test_an_unknown_run_is_named(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "99"]) == 2
    assert "99" in capsys.readouterr().err


@pytest.mark.shared_lab
def test_a_query_that_is_no_select_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sql", "DROP TABLE runs"]) == 2
    assert "SELECT" in capsys.readouterr().err


@pytest.mark.shared_lab
def test_a_query_tells_that_its_answer_was_cut(capsys: pytest.CaptureFixture[str]) -> None:
    query = "SELECT * FROM range(12) AS t(n)"
    assert main(["sql", query, "--json", "--limit", "10"]) == 0
    out, err = capsys.readouterr()
    assert len(json.loads(out)) == 10
    assert err.startswith("cut after 10 rows; a larger --limit gives more")
    assert main(["sql", query, "--json", "--limit", "12"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.shared_lab
def test_numbers_that_json_does_not_have_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    query = "SELECT 'NaN'::DOUBLE AS a, ['-Infinity'::FLOAT, 1] AS b, {'c': 'inf'::DOUBLE} AS d"
    assert main(["sql", query, "--json"]) == 0
    out = capsys.readouterr().out
    assert "NaN" not in out
    assert "Infinity" not in out
    assert json.loads(out) == [{"a": None, "b": [None, 1.0], "d": {"c": None}}]


@pytest.mark.shared_lab
def test_the_doctor_finds_this_machine_well(capsys: pytest.CaptureFixture[str]) -> None:
    facts = printed(capsys, "doctor")
    assert facts["problems"] == []
    assert facts["torch"].startswith("2.13.0")


@pytest.mark.shared_lab
def test_the_doctor_speaks_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["problems"] == "none"
    assert "0 runs in a database of " in lines["daemon"]
    assert not set("{}[]'") & set("".join(lines.values()))


def test_the_front_door_loads_neither_torch_nor_database() -> None:
    code = """
import sys
from engine import *
assert {"Lab", "PRESETS", "RunConfig", "connect"} <= set(globals())
print({"torch", "duckdb", "streamlit"} & set(sys.modules))
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.strip() == "set()"
