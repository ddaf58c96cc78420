"""The whole description of one run: task, model, optimizer, training."""

from pydantic import Field, model_validator

from data import ModularSettings, TaskSettings
from data.settings import Settings
from engine.config.training import TrainingSettings
from engine.models import GPTSettings, ModelSettings
from engine.models.gpt.settings import WIDEST_FUSED, DecoderSettings
from engine.optim import AdamWSettings, OptimizerSettings


class RunConfig(Settings):
    """One run. The same tree serves `--set`, the launch form, `runs.config`, links and sweeps."""

    task: TaskSettings = Field(default_factory=ModularSettings)
    model: ModelSettings = Field(default_factory=GPTSettings)
    optimizer: OptimizerSettings = Field(default_factory=AdamWSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)

    @model_validator(mode="after")
    def _fuses_what_has_a_kernel(self) -> "RunConfig":
        if self.training.fused_mlp and (reason := self._not_fusible()):
            raise ValueError(f"training.fused_mlp {reason}; or set it to false")
        return self

    def _not_fusible(self) -> str:
        model, precision = self.model, self.training.precision
        if not isinstance(model, DecoderSettings):
            return f"needs a gpt, memory or universal model, got {model.kind}"
        if model.d_model > WIDEST_FUSED:
            return f"needs model.d_model of at most {WIDEST_FUSED}, got {model.d_model}"
        if precision not in ("tf32", "bfloat16"):
            # products of float32 have no tensor cores to keep busy
            return f"needs training.precision tf32 or bfloat16, got {precision}"
        return ""
