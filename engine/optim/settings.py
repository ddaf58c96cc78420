"""How weights are updated: the optimiser, its schedule, clipping."""

from typing import Annotated, Literal

from pydantic import Field

from data.settings import Settings

Beta = Annotated[float, Field(ge=0.0, lt=1.0)]


class ScheduleSettings(Settings):
    """Learning rate over steps and the bound on the gradient, shared by every optimiser."""

    learning_rate: Annotated[float, Field(ge=1e-6, le=1.0)] = 1e-3
    """Peak learning rate."""
    weight_decay: Annotated[float, Field(ge=0.0, le=100.0)] = 1.0
    """Weight decay; decoupled in AdamW, added to the gradient (L2) in Adam and SGD."""
    schedule: Literal["constant", "cosine", "step"] = "constant"
    """Learning rate after warm-up: constant, cosine to `final_fraction`, or cut by steps."""
    warmup_steps: Annotated[int, Field(ge=0, le=1_000_000)] = 10
    """Steps of linear warm-up; step s uses min(s / warmup_steps, 1) of the rate."""
    final_fraction: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    """Cosine: the share of the peak rate that is left at the last step."""
    decay_every: Annotated[int, Field(ge=1, le=10_000_000)] = 1000
    """Step schedule: steps between two cuts."""
    decay_factor: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """Step schedule: factor of each cut."""
    clip_norm: Annotated[float, Field(ge=0.0, le=1e6)] = 0.0
    """Largest global gradient norm of a run; 0 leaves gradients alone."""


class WrapperSettings(ScheduleSettings):
    """What may be put around any optimiser; `engine.optim.wrappers` says in which order."""

    grokfast: Literal["none", "ema", "ma"] = "none"
    """Whether slow parts of the gradient are amplified (Grokfast), found by an exponential average
    or by the mean of a window.

    Published: 910 updates instead of 39,890 with Adam on x·y mod 97; AdamW without it beat it in
    many settings, in which runs with it failed. Source: Lee et al. 2024.
    """
    grokfast_alpha: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.98
    """Grokfast ema: decay rate of the average; alpha^N = 0.1 suits a wanted N-fold speed-up."""
    grokfast_lamb: Annotated[float, Field(ge=0.0, le=1000.0)] = 2.0
    """Grokfast: the average is added so many times; 2 was published for ema and 5 for ma.

    Slow gradients grow 1 + lamb times: compare with a learning rate that is larger by as much.
    """
    grokfast_window: Annotated[int, Field(ge=1, le=1000)] = 100
    """Grokfast ma: gradients in the window, kept in memory and in checkpoints; works once full."""
    orthogonal_gradient: bool = False
    """Whether each parameter's gradient loses its part along the parameter (⊥Grad).

    Published: without weight decay, addition mod 113 within 300 updates; AdamW with a tuned rate
    and decay matched or beat it in 4 of 5 networks. Source: Prieto et al. 2025.
    """
    norm_factor: Annotated[float, Field(ge=0.0, le=100.0)] = 0.0
    """After each update all weights together are scaled to so many times their initial norm; 0
    leaves them alone.

    Published: 0.8 without weight decay removes most of the delay on addition mod 113, where AdamW
    with a tuned decay takes fewer than 200 updates in other networks. Source: Liu et al. 2023
    (Omnigrok).
    """
    gradient_noise: Annotated[float, Field(ge=0.0, le=100.0)] = 0.0
    """Standard deviation of the noise added to each number of the gradient, after clipping.

    Published: noise that fades helped very deep networks to train; among noise on updates, on
    weights and other measures, AdamW with weight decay 1 did best and more than halved the data
    that grokking needs. Source: Neelakantan et al. 2015; Power et al. 2022.
    """
    decay_group: Literal["all", "matrices", "no_embeddings"] = "all"
    """Which parameters weight decay touches: all; those of two or more dimensions, so no biases
    and gains; or all but embeddings, positions, memories and unembedding."""
    ema_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Decay rate of an average of the weights, on which the run is then measured; 0 is none."""


class AdamWSettings(WrapperSettings):
    """Adam with decoupled weight decay. Source: Loshchilov & Hutter 2019."""

    kind: Literal["adamw"] = "adamw"
    betas: tuple[Beta, Beta] = (0.9, 0.98)
    """Decay rates of the two moments."""
    eps: Annotated[float, Field(gt=0.0, le=1e-2)] = 1e-8
    """Added to the root of the second moment."""


class AdamSettings(WrapperSettings):
    """Adam with weight decay added to the gradient (L2). Source: Kingma & Ba 2015."""

    kind: Literal["adam"] = "adam"
    weight_decay: Annotated[float, Field(ge=0.0, le=100.0)] = 0.0
    """L2 penalty, added to the gradient before the moments (coupled)."""
    betas: tuple[Beta, Beta] = (0.9, 0.98)
    """Decay rates of the two moments."""
    eps: Annotated[float, Field(gt=0.0, le=1e-2)] = 1e-8
    """Added to the root of the second moment."""


class SGDSettings(WrapperSettings):
    """Stochastic gradient descent with momentum.

    Source: Robbins and Monro 1951; Polyak 1964 (momentum); Nesterov 1983.
    """

    kind: Literal["sgd"] = "sgd"
    weight_decay: Annotated[float, Field(ge=0.0, le=100.0)] = 0.0
    """L2 penalty, added to the gradient (coupled)."""
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9
    """Decay rate of the velocity; 0 is plain gradient descent."""
    nesterov: bool = False
    """Whether the gradient is looked up ahead of the velocity."""


class LionSettings(WrapperSettings):
    """Steps of equal size along the sign of a momentum, with decoupled weight decay.

    Source: Chen et al. 2023, who take a 3 to 10 times smaller learning rate than AdamW's and as
    much more weight decay.
    """

    kind: Literal["lion"] = "lion"
    learning_rate: Annotated[float, Field(ge=1e-6, le=1.0)] = 3e-4
    """Peak learning rate: how far each weight moves in an update; AdamW's divided by 3 to 10.

    Published: nothing on grokking beside a tuned AdamW; the preset `quick` is one to compare with.
    """
    weight_decay: Annotated[float, Field(ge=0.0, le=100.0)] = 3.0
    """Decoupled weight decay; AdamW's multiplied by 3 to 10."""
    betas: tuple[Beta, Beta] = (0.9, 0.99)
    """How much of the momentum the sign is taken of, and the momentum's decay rate."""


class MuonSettings(WrapperSettings):
    """Muon for hidden matrices, AdamW for the rest.

    The rest are embeddings, positions, memories, unembedding, biases and gains.
    Source: Jordan et al. 2024; Tveit et al. 2025 for grokking.
    """

    kind: Literal["muon"] = "muon"
    learning_rate: Annotated[float, Field(ge=1e-6, le=1.0)] = 1e-3
    """Peak learning rate of the matrices, before `scale`.

    Published: 103 epochs to grok where AdamW took 153 (Tveit et al. 2025); once learning rate,
    batch and width were swept, Muon was not clearly faster.
    """
    weight_decay: Annotated[float, Field(ge=0.0, le=100.0)] = 1.0
    """Decoupled weight decay of the matrices."""
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.95
    """Decay rate of the matrices' momentum."""
    nesterov: bool = True
    """Whether the gradient is looked up ahead of the momentum."""
    newton_schulz_steps: Annotated[int, Field(ge=1, le=20)] = 5
    """Iterations that orthogonalise the momentum; 1 groks faster and then often collapses."""
    scale: Literal["match_rms_adamw", "original"] = "match_rms_adamw"
    """Length of a step: 0.2 √max(out, in), which suits AdamW's rates, or √max(1, out / in),
    which wants about 30 times larger ones (0.03 with decay 0.1 was published)."""
    rest_rate: Annotated[float, Field(ge=0.0, le=1.0)] = 1e-3
    """Peak learning rate of what AdamW trains; 0 freezes it."""
    rest_decay: Annotated[float, Field(ge=0.0, le=100.0)] = 1.0
    """Decoupled weight decay of what AdamW trains."""
    betas: tuple[Beta, Beta] = (0.9, 0.98)
    """Decay rates of AdamW's two moments."""
    eps: Annotated[float, Field(gt=0.0, le=1e-2)] = 1e-8
    """Added to the root of AdamW's second moment."""
