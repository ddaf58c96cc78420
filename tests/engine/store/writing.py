"""What tests write into journals."""

from dataclasses import dataclass
from typing import Any

from engine import journal
from engine.home import RunFolder
from engine.store import Store

CONFIG: dict[str, Any] = {
    "task": {"kind": "modular", "p": 97, "operation": "add"},
    "model": {"kind": "gpt"},
    "optimizer": {"kind": "adamw"},
    "training": {"seed": 3, "steps": 1000},
}


@dataclass
class Recorded:
    """A run and the journal of its current attempt."""

    run_id: int
    folder: RunFolder
    attempt: int = 1

    def write(self, *lines: bytes) -> None:
        with self.folder.journal(self.attempt).open("ab") as file:
            file.writelines(lines)

    def evaluations(self, *steps: int) -> None:
        self.write(*(evaluation(step) for step in steps))

    def end(self, step: int, reason: journal.EndReason = "finished", **told: Any) -> None:
        self.write(journal.end_line(step, reason, **told))


def evaluation(step: int, train: float | None = None, test: float = 0.01) -> bytes:
    """One evaluation with both accuracies, both losses and a weight norm: five rows."""
    train = min(1.0, step / 100) if train is None else train
    return journal.metrics_line(
        step,
        {
            "train": {"accuracy": train, "loss": 1 / (step + 1)},
            "test": {"accuracy": test, "loss": 3.0},
            "": {"weight_norm": 2.0},
        },
    )


def steps(store: Store, run_id: int) -> list[int]:
    """The steps of all stored train losses, in the order in which they are stored."""
    table = store.select(
        f"SELECT step FROM metrics WHERE run_id = {run_id} AND split = 'train'"
        " AND metric = 'loss'",
        limit=1_000_000,
    )
    return table["step"].to_pylist()


def kinds(store: Store, run_id: int) -> list[str]:
    """The kinds of the run's events, by step."""
    return [event["kind"] for event in store.events([run_id])]
