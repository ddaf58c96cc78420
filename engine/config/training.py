"""How long, how exactly and on which device a run trains."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from data.settings import Settings

Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
MOST_SEEDS = 64
"""Runs of one launch, whose seeds follow one another."""


def compile_choice(value: object) -> object:
    """What an older lab's `training.compile`, true or false, is called now."""
    if isinstance(value, bool):
        return "always" if value else "never"
    return value


class TrainingSettings(Settings):
    """Everything about a run that is neither its task, its network nor its optimiser."""

    steps: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000
    """Optimiser updates in the budget."""
    batch_size: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Examples per update; 0 takes the whole training split (full batch)."""
    accumulate: Annotated[int, Field(ge=1, le=1024)] = 1
    """Parts into which a batch is cut to save memory; their gradients are added up."""
    seed: Seed = 0
    """Seed of the run: initial weights, split and order derive from it."""
    init_seed: Seed | None = None
    """Seed of the initial weights alone; empty follows `seed`."""
    split_seed: Seed | None = None
    """Seed of the train/test split and of label noise alone; empty follows `seed`."""
    order_seed: Seed | None = None
    """Seed of the order of examples, gradient noise and dropout alone; empty follows `seed`."""
    precision: Literal["auto", "float32", "tf32", "bfloat16"] = "float32"
    """Arithmetic of the matrix products; weights, softmax and loss stay float32 or better. Auto
    takes tf32 on CUDA, bfloat16 on a CPU that multiplies it, else float32; a run keeps what was
    taken at its launch."""
    loss: Literal["cross_entropy", "stablemax"] = "cross_entropy"
    """What is minimised: −log of the answer's share under softmax or under StableMax.

    Published: StableMax groks without weight decay, in 80,000 updates and more on addition mod
    113; AdamW with a tuned decay took fewer than 200. Source: Prieto et al. 2025.
    """
    label_noise: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Share of the training answers that are replaced by other answers, drawn by the split seed;
    train metrics count what was put in their place."""
    dropout: Annotated[float, Field(ge=0.0, le=0.9)] = 0.0
    """Share of numbers left out, in training alone, of what each sublayer adds to the residual
    stream, or of what an LSTM's and a perceptron's layers give; drawn by the order seed.

    Published: a large share removes the delay of grokking, as AdamW with a tuned decay does
    without it. Source: Srivastava et al. 2014; Liu et al. 2022 for the delay.
    """
    loss_precision: Literal["float32", "float64"] = "float32"
    """Arithmetic of the loss; float64 avoids the floor near 1.2e-7."""
    eval_every: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """Most steps between two evaluations; early ones are log-spaced and denser."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where the run trains; auto takes CUDA, then MPS, then the CPU."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """CPU threads of the worker; one is fastest for small networks."""
    idle_cores: bool = True
    """Whether cores that no other run needs help, where the curve is the same to the bit: networks
    of one layer without norms, on the CPU."""
    fused_mlp: bool = False
    """Whether each MLP is one Triton kernel that never writes its hidden layer to memory: on CUDA,
    for GPT's kind of MLP up to 128 wide, in tf32 or bfloat16. No GPU has timed it yet."""
    compile: Annotated[Literal["auto", "always", "never"], BeforeValidator(compile_choice)] = (
        "auto"
    )
    """Whether the step is compiled, which costs seconds at the start; auto does so where the
    budget is long enough to win them back, decided from the settings and the device alone."""
