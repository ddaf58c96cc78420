"""The whole description of one run: task, model, optimizer, training."""

from pydantic import Field

from data import ModularSettings, TaskSettings
from data.settings import Settings
from engine.config.training import TrainingSettings
from engine.models import GPTSettings, ModelSettings
from engine.optim import AdamWSettings, OptimizerSettings


class RunConfig(Settings):
    """One run. The same tree serves `--set`, the launch form, `runs.config`, links and sweeps."""

    task: TaskSettings = Field(default_factory=ModularSettings)
    model: ModelSettings = Field(default_factory=GPTSettings)
    optimizer: OptimizerSettings = Field(default_factory=AdamWSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
