"""Every task and architecture on one page: `python -m engine.bench.zoo` writes docs/zoo.md.

What can be read off the settings (source, parameters, sizes) is read off them, and a test holds
the page to it; the rates are measured when the page is written.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import torch

from data import build_task, task_sizes
from engine.config.fields import describe_kind, kinds
from engine.config.presets import PRESETS
from engine.config.run import RunConfig
from engine.trainer.batch import Batch
from engine.version import ROOT

PAGE = ROOT / "docs" / "zoo.md"
WARM_STEPS, STEPS = 5, 40

HELD_TO: Mapping[str, str] = {
    "gpt": "transformers GPT2LMHeadModel; torch.nn.TransformerEncoderLayer for post-norm",
    "llama": "transformers LlamaForCausalLM",
    "universal": "the proven gpt with copied layers; x-transformers weight_tie_layers",
    "trm": "a slow twin in the test",
    "memory": "x-transformers mem_kv and memory tokens; slow twins for memory MLPs, product keys",
    "linear_attention": "a step-by-step float64 twin in the test",
    "retnet": "a step-by-step float64 twin in the test",
    "gla": "a step-by-step float64 twin in the test",
    "deltanet": "a step-by-step float64 twin in the test",
    "gated_deltanet": "transformers Qwen3NextGatedDeltaNet",
    "hybrid": "a float64 twin of the stack, from step-by-step twins of its mixers",
    "mamba": "transformers MambaForCausalLM",
    "mamba2": "transformers Mamba2ForCausalLM",
    "rwkv4": "transformers RwkvForCausalLM",
    "rwkv7": "rwkv RWKV_x070; a float64 twin for gradients",
    "lstm": "torch.nn.LSTM",
    "mlp": "a torch twin in the test",
}
"""What the tests hold each architecture to: logits within 1e-5, gradients within 1e-4, relative
to their scale, from the same weights with every parameter perturbed."""

ABOUT_TASKS = (
    "At default settings; every answer is derived again by an oracle in the tests. Probes are of "
    "facts that are trained on."
)

Distances = Mapping[str, Mapping[str, float]]
"""By kind: the largest of `logits` and of `gradients` that those tests have seen."""


def distances() -> Distances:
    """Runs the tests that compare architectures with what they are held to."""
    tests = sorted(map(str, (ROOT / "tests" / "engine" / "models").rglob("test_*parity.py")))
    tests.append(str(ROOT / "tests/engine/models/mixers/test_mixers_step_by_step.py"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "seen.json"
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", "0", *tests],
            cwd=ROOT,
            env=os.environ | {"GROKKING_LAB_PARITY": str(file)},
            check=True,
        )
        return json.loads(file.read_text(encoding="utf-8"))


def comparison_presets() -> dict[str, RunConfig]:
    """The small comparison for each kind of model."""
    task = PRESETS["comparison-small"].config.task
    found = [preset.config for preset in PRESETS.values() if preset.config.task == task]
    return {config.model.kind: config for config in found}


def architecture_cells() -> dict[str, list[str]]:
    """What is known of each architecture without running it, by kind."""
    cells: dict[str, list[str]] = {}
    for kind, config in sorted(comparison_presets().items()):
        sizes, about = task_sizes(config.task), describe_kind("model", kind)
        parameters = config.model.n_parameters(sizes.vocabulary, sizes.length)
        cells[kind] = [about.description, about.source, HELD_TO[kind], f"{parameters:,}"]
    return cells


def task_cells() -> dict[str, list[str]]:
    """What is known of each task at its default settings without building it, by kind."""
    cells: dict[str, list[str]] = {}
    for kind, settings in sorted(kinds("task").items()):
        sizes, about = task_sizes(settings()), describe_kind("task", kind)  # pyright: ignore[reportArgumentType]
        cells[kind] = [
            about.description,
            about.source,
            f"{sizes.train:,}",
            f"{sizes.test:,}",
            f"{sizes.probes:,}" if sizes.probes else "–",
            f"{sizes.vocabulary:,}",
            f"{sizes.length}",
            f"{sizes.chance:.3g}",
            "–" if sizes.largest_phi is None else f"{sizes.largest_phi:g}",
        ]
    return cells


def steps_per_second(config: RunConfig) -> float:
    """Updates a second of one run, nothing evaluated or recorded."""
    batch = Batch.start({0: config})
    batch.advance(WARM_STEPS)
    started = time.perf_counter()
    batch.advance(STEPS)
    batch.diverged()  # waits for the device
    return STEPS / (time.perf_counter() - started)


def told(seen: Mapping[str, float]) -> str:
    """Both distances of an architecture, as its cell on the page."""
    return f"{seen['logits']:.0e}, {seen['gradients']:.0e}"


def about_architectures() -> str:
    """What the figures of the architectures' table are of."""
    config = PRESETS["comparison-small"].config
    sizes = task_sizes(config.task)
    return (
        f"Parameters and rates are those of the presets `comparison-…`: {sizes.vocabulary:,} "
        f"tokens, rows of {sizes.length}, batches of {config.training.batch_size:,}. From the "
        "same weights, every parameter perturbed, the tests hold logits within 1e-5 and gradients "
        "within 1e-4 of their scale to what the fourth column names; the fifth tells the largest "
        "distances of both that they saw (where the twin is a float64 one, ours is too)."
    )


def split_names(kind: str) -> str:
    """The splits of a task at its default settings."""
    settings = kinds("task")[kind]()
    return ", ".join(build_task(settings, seed=0).splits)  # pyright: ignore[reportArgumentType]


def page(
    measure: Callable[[RunConfig], float] = steps_per_second,
    compare: Callable[[], Distances] = distances,
) -> str:
    """The page as Markdown."""
    seen = compare()
    rates = {kind: measure(config) for kind, config in comparison_presets().items()}
    base = rates["gpt"]
    where = f"{platform.processor() or platform.machine()}, torch {torch.__version__}"
    return "\n".join(
        [
            "# Every task and architecture",
            "",
            "Written by `python -m engine.bench.zoo`; a test holds it to the settings.",
            "",
            "## Architectures",
            "",
            about_architectures(),
            f"Rates: {datetime.now(UTC):%Y-%m-%d}, one thread, {where}; ÷ gpt is the ratio in the "
            "same run.",
            "",
            "| kind | what it is | source | held equal to | parity | parameters | steps/s "
            "| ÷ gpt |",
            "|---|---|---|---|---|---:|---:|---:|",
            *(
                f"| `{kind}` | {' | '.join([*cells[:-1], told(seen[kind]), cells[-1]])} "
                f"| {rates[kind]:.0f} | {rates[kind] / base:.2f} |"
                for kind, cells in architecture_cells().items()
            ),
            "",
            "## Tasks",
            "",
            ABOUT_TASKS,
            "",
            "| kind | what it is | source | train | held out | probes | tokens | length | chance "
            "| largest phi | splits |",
            "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---|",
            *(
                f"| `{kind}` | {' | '.join(cells)} | {split_names(kind)} |"
                for kind, cells in task_cells().items()
            ),
            "",
        ]
    )


def main(path: Path = PAGE) -> None:
    """Write the page."""
    torch.set_num_threads(1)
    path.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
