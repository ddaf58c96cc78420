"""What a worker finds in a run's folder when an attempt starts, and whether it came up."""

import json
from pathlib import Path

from engine.config.run import RunConfig
from engine.daemon.origins import Origin
from engine.daemon.scheduler import Start
from engine.home import RunFolder, atomic_write


def prepare(
    folder: RunFolder, *, attempt: int, config: RunConfig, origin: Origin, start: Start
) -> None:
    """Write what the worker reads, and remove what lies past the attempt's first step."""
    folder.create()
    folder.control.unlink(missing_ok=True)
    folder.proc.unlink(missing_ok=True)
    for file in (*folder.checkpoints.iterdir(), *folder.snapshots.iterdir()):
        if _step(file) > origin.step or file.suffix == ".tmp":
            file.unlink()
    atomic_write(folder.config, config.model_dump_json(indent=1).encode())
    launch = {
        "attempt": attempt,
        "from": origin.as_json(),
        "device": start.device,
        "threads": start.threads,
        "gpu": start.gpu,
        "bytes": start.n_bytes,
    }
    atomic_write(folder.launch, json.dumps(launch).encode())


def remember_origin(folder: RunFolder, origin: Origin) -> None:
    """Say before a fork's first attempt where it will start."""
    atomic_write(folder.launch, json.dumps({"attempt": 0, "from": origin.as_json()}).encode())


def has_started(folder: RunFolder) -> bool:
    """Whether the worker of the current attempt wrote its first line."""
    try:
        attempt = json.loads(folder.launch.read_bytes())["attempt"]
        with folder.journal(attempt).open("rb") as journal:
            return journal.readline().endswith(b"\n")
    except (FileNotFoundError, ValueError, KeyError):
        return False


def _step(file: Path) -> int:
    """The step in `step-000001234.safetensors`; 0 for other names."""
    digits = file.stem.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0
