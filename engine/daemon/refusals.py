"""What is refused before a run is queued, beyond what its settings say by themselves."""

from data import task_sizes
from engine.config import RunConfig
from engine.daemon.example import example
from engine.errors import SettingsError

_DRAWN = frozenset({"composition", "comparison", "search", "transfer"})
"""Tasks whose draw can leave too little, which is known once they are built: in about a second."""


def check(config: RunConfig, *, device: str) -> None:
    """Refuse a run that this machine, or the data of its task, cannot give what it asks for.

    `device` is what the machine offers, "cuda" or "cpu".

    Raises:
        SettingsError: naming the setting and what is possible.
        UploadRefused: the task's upload is not kept here, or cannot be used.
    """
    check_device(config, device=device)
    task_sizes(config.task)
    if config.task.kind in _DRAWN:
        example(config=config.model_dump(mode="json"))


def check_device(config: RunConfig, *, device: str) -> None:
    """Refuse a device that is not there: its runs would wait for ever.

    Raises:
        SettingsError: naming the devices that are.
    """
    if config.training.device == "cuda" and device != "cuda":
        raise SettingsError(
            "training.device must be auto or cpu on this machine, which has no CUDA device, got "
            "cuda"
        )
