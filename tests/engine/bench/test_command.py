"""`python -m engine bench`: what it prints, keeps and refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.bench.command import main

LITTLE = ["matmul", "--setting", "quick", "--seconds", "0.01", "--rounds", "1", "--device", "cpu"]


def test_json_holds_rows_with_the_machine_they_were_measured_on(
    capsys: pytest.CaptureFixture[str],
):
    assert main([*LITTLE, "--json"]) == 0
    (taken,) = json.loads(capsys.readouterr().out).values()
    assert {"device", "device_name", "cpu", "cores", "python", "torch", "lab", "date", "load"} <= (
        set(taken["machine"])
    )
    assert taken["options"]["rounds"] == 1
    assert len(taken["rows"]) == 4


def test_a_table_is_printed_and_kept_beside_what_was_measured_before(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    file = tmp_path / "cpu.json"
    earlier = {"machine": {"device": "cpu", "device_name": "a", "cpu": "a", "cores": 1}}
    earlier["machine"] |= {"date": "then", "load": 0.5}
    earlier |= {"options": {"threads": 1, "rounds": 3, "seconds": 4.0}, "rows": [{"x": 1}]}
    file.write_text(json.dumps({"earlier": earlier}))
    assert main([*LITTLE, "--to", str(file)]) == 0
    assert "| square" in capsys.readouterr().out
    kept = json.loads(file.read_text())
    assert kept["earlier"] == earlier
    assert len(kept["matmul"]["rows"]) == 4
    told = file.with_suffix(".md").read_text()
    assert "## earlier" in told
    assert "## matmul" in told
    assert f"torch {kept['matmul']['machine']['torch']}" in told


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("throughpt", "no measurement is called 'throughpt'; did you mean 'throughput'?"),
        ("throughput --setting nandda", "no setting is called 'nandda'; did you mean 'nanda'?"),
        ("throughput --arm pears", "no arm is called 'pears'; did you mean 'peers'?"),
        ("presets --setting grokfast", "no preset is called 'grokfast'; known: quick, nanda"),
        ("matmul presets --setting grokfast", "no preset is called 'grokfast'; known: quick"),
        ("precision --arm peers", "--arm chooses nothing in precision: it is for throughput"),
        ("store sweep --setting quick", "--setting chooses nothing in store, sweep: it is for ma"),
        ("matmul --sizes 1,2", "--sizes chooses nothing in matmul: it is for batches"),
        ("--grid 2", "--grid chooses nothing in matmul, throughput, batches, cores, recording"),
        (
            "throughput --arm engine-tf32 --device cpu",
            "nanda has no arm engine-tf32 on this device; known: peers, eager, engine-float32",
        ),
        (
            "throughput --arm transformers --setting quick --device cpu",
            "quick has no arm transformers on this device; known: peers, eager, engine-float32",
        ),
        ("throughput --rounds 0", "--rounds must be at least 1, got 0"),
        ("throughput --seconds 0", "--seconds must be greater than 0, got 0"),
        ("matmul --to figures.txt", "--to must end in .json or .md, got 'figures.txt'"),
        ("matmul --to nowhere/a.json", "--to names a folder that does not exist: nowhere"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_measured(
    arguments: str, sentence: str, capsys: pytest.CaptureFixture[str]
):
    assert main(arguments.split()) == 2
    told = capsys.readouterr()
    assert told.err.startswith(sentence)
    assert not told.out


def test_figures_of_one_device_are_not_mixed_with_those_of_another(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    file = tmp_path / "figures.json"
    file.write_text(json.dumps({"matmul": {"machine": {"device": "cuda"}}}))
    assert main([*LITTLE, "--to", str(file)]) == 2
    assert "holds figures of cuda, these are of cpu" in capsys.readouterr().err
    assert json.loads(file.read_text())["matmul"] == {"machine": {"device": "cuda"}}


def test_training_is_measured_where_neither_database_nor_arrow_nor_streamlit_is_installed():
    code = (
        "import sys\n"
        "for name in ('duckdb', 'pyarrow', 'streamlit', 'altair', 'pandas', 'transformers'):\n"
        "    sys.modules[name] = None\n"
        "from engine.bench.command import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    arms = ["--arm", "peers", "--arm", "engine-float32"]
    words = ["throughput", "--setting", "comparison-small", *arms, *LITTLE[3:], "--json"]
    answer = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert len(json.loads(answer.stdout)["throughput"]["rows"]) == 2
