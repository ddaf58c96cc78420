"""How many operations a training step is, and how fast the machine multiplies matrices.

Two counts are told. What is *needed* is `model.flops_per_example`: the products that are left
when rows that are equal by construction are computed once and only answers pass the last
attention. The *naive* count is every product of the plain forward pass, the unembedding at
every position, times three for forward and backward. Both leave evaluations out, and the first
layer's products where a vocabulary is so small that they are shared by all examples.

Shapes: ``B`` examples, ``T`` tokens, ``C`` d_model, ``V`` vocabulary.
"""

from dataclasses import dataclass

import torch

from data import task_sizes
from engine.bench.training.rounds import Arm
from engine.config import RunConfig, apply
from engine.errors import SettingsError
from engine.models import GPTSettings

SQUARE = {"cpu": 1024, "cuda": 8192}
"""The side of the square matrices that stand for what the machine can do."""
FUSED = "-fused"
"""Behind a precision: with one kernel for each MLP."""
SHARE = 0.15
"""Of the time of an arm that trains, how long a product is measured."""

DTYPES = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16}


def precisions(device: torch.device) -> tuple[str, ...]:
    """The arithmetic that the device offers."""
    return ("float32", "tf32", "bfloat16") if device.type == "cuda" else ("float32", "bfloat16")


def ways(config: RunConfig, device: torch.device) -> tuple[str, ...]:
    """The same, and beside them those with fused kernels where the network has such."""
    plain = precisions(device)
    if device.type != "cuda":
        return plain
    return *plain, *(way + FUSED for way in plain if _can(config, way + FUSED))


def in_way(config: RunConfig, way: str) -> RunConfig:
    """The run in one of these ways.

    Raises:
        SettingsError: its network has no such kernels.
    """
    precision = way.removesuffix(FUSED)
    changes = {"training.precision": precision, "training.fused_mlp": way != precision}
    return apply(config, changes)


def _can(config: RunConfig, way: str) -> bool:
    try:
        in_way(config, way)
    except SettingsError:
        return False
    return True


def set_arithmetic(precision: str, device: torch.device) -> None:
    """How CUDA multiplies float32 from now on: a switch of the whole process."""
    if device.type == "cuda":
        torch.backends.cuda.matmul.fp32_precision = "tf32" if precision == "tf32" else "ieee"


def wait(device: torch.device) -> None:
    """Until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@dataclass(frozen=True, slots=True)
class Product:
    """A matrix product (m, k) × (k, n)."""

    m: int
    k: int
    n: int

    @property
    def flops(self) -> int:
        """Operations, two for a multiply-add."""
        return 2 * self.m * self.k * self.n

    def arm(self, precision: str, device: torch.device) -> Arm:
        """The product again and again, as an arm whose step is one product."""
        generator = torch.Generator().manual_seed(0)
        a, b = (
            torch.randn(shape, generator=generator).to(device, DTYPES[precision])
            for shape in ((self.m, self.k), (self.k, self.n))
        )
        out = torch.empty(self.m, self.n, device=device, dtype=DTYPES[precision])

        def multiply(times: int) -> None:
            set_arithmetic(precision, device)
            for _ in range(times):
                torch.mm(a, b, out=out)
            wait(device)

        return Arm(multiply, share=SHARE)


def square(device: torch.device) -> Product:
    """A product large enough to be bound by arithmetic."""
    side = SQUARE[device.type]
    return Product(side, side, side)


def own_product(config: RunConfig) -> Product:
    """The largest product of the setting's plain forward: all positions into the MLP."""
    assert isinstance(config.model, GPTSettings)
    rows = batch_of(config) * task_sizes(config.task).length
    return Product(rows, config.model.d_model, config.model.d_mlp)


def batch_of(config: RunConfig) -> int:
    """Examples of an update."""
    n_train = task_sizes(config.task).train
    return min(config.training.batch_size or n_train, n_train)


def needed_flops(config: RunConfig) -> int:
    """Operations of an update after the exact savings."""
    assert isinstance(config.model, GPTSettings)
    sizes = task_sizes(config.task)
    each = config.model.flops_per_example(sizes.vocabulary, sizes.length, sizes.n_read)
    return each * batch_of(config)


def naive_flops(config: RunConfig) -> int:
    """Operations of an update of the plain network."""
    assert isinstance(config.model, GPTSettings)
    model, sizes = config.model, task_sizes(config.task)
    C, T = model.d_model, sizes.length
    layer = 4 * C * C + 2 * C * model.d_mlp + 2 * T * C
    return 6 * batch_of(config) * T * (model.n_layers * layer + C * sizes.vocabulary)
