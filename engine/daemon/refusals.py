"""What is refused before a run is queued, beyond what its settings say by themselves."""

from data import task_sizes
from engine.config import RunConfig
from engine.daemon.example import example

_DRAWN = frozenset({"composition", "comparison", "search", "transfer"})
"""Tasks whose draw can leave too little, which is known once they are built: in about a second."""


def check(config: RunConfig) -> None:
    """Refuse a run that the data of its task cannot give what it asks for.

    Raises:
        SettingsError: naming the setting and what is possible.
        UploadRefused: the task's upload is not kept here, or cannot be used.
    """
    task_sizes(config.task)
    if config.task.kind in _DRAWN:
        example(config=config.model_dump(mode="json"))
