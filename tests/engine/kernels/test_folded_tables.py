"""The tables of one layer and their gradients by loops, against operations of torch in float64."""

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from engine.kernels.folded_tables import Made, gradients_of, tables_of
from engine.kernels.folded_weights import FoldedWeights
from engine.models.gpt.block import Block
from engine.models.gpt.folded import Folded, folded_tables_by_torch
from engine.models.gpt.occurring import Occurring
from engine.models.gpt.settings import GPTSettings
from tests.engine.kernels.threads import threads

SIZES: dict[str, tuple[int, int, int, int]] = {
    "quick": (64, 4, 128, 24),
    "odd heads, less than a panel": (15, 3, 37, 11),
    "a head wider than a panel": (72, 1, 130, 70),
}
"""d_model, heads, d_mlp, vocabulary."""
READS = {"one row": (2,), "many rows": (1, 2)}


class _Layer(NamedTuple):
    weights: FoldedWeights
    block: Block
    occurring: Occurring
    read: tuple[int, ...]

    def tables(self, dtype: torch.dtype) -> tuple[Folded, Made]:
        reference = self.occurring.reference(self.read)
        own = (None if x is None else x.float() for x in self.weights)
        found, made = tables_of(
            FoldedWeights(*own),
            self.occurring.read_rows(self.read),
            n_heads=self.block.attn.n_heads,
            reference=None if reference is None else reference.row,
            dtype=dtype,
        )
        return Folded(*found), made

    def by_torch(self) -> Any:
        w = self.weights
        ends = (self.block, w.unembedding, self.occurring, self.read)
        return folded_tables_by_torch(w.embedding, w.positions, *ends)


def _layer(size: str, read: str, *, biases: bool = True, fixed: bool = True) -> _Layer:
    C, n_heads, d_mlp, V = SIZES[size]
    draw = torch.Generator().manual_seed(C)

    def drawn(*shape: int) -> Tensor:
        return (torch.randn(shape, generator=draw, dtype=torch.float64) * C**-0.5).requires_grad_()

    settings = GPTSettings(
        d_model=C, n_heads=n_heads, d_mlp=d_mlp, attention_bias=biases, mlp_bias=biases
    )
    block = Block(settings).double()
    for parameter in block.parameters():
        parameter.data = drawn(*parameter.shape).detach()
    attention, mlp = block.attn, block.mlp
    matrices = (attention.c_attn, attention.c_proj, mlp.c_fc, mlp.c_proj)
    inner = [x for each in matrices for x in (each.weight, each.bias)]
    alphabets = [range(V - 1), range(2, V - 1), [V - 1] if fixed else range(V)]
    occurring = Occurring(alphabets, vocab_size=V, n_heads=n_heads)
    weights = FoldedWeights(drawn(V, C), drawn(3, C), *inner, drawn(V, C))
    return _Layer(weights, block, occurring, READS[read])


def _gradients(tables: Any, layer: _Layer) -> list[Tensor]:
    """Of the tables: random, and zero where nothing is but filling."""
    draw = torch.Generator().manual_seed(3)
    found = [torch.randn(x.shape, generator=draw) for x in tables]
    F, V = tables.through.shape
    for x, width in ((slice(0, -(-F // 64)), F), (slice(-(-F // 64), None), V)):
        for each in found[1:3]:
            each[x][-1, :, width - (len(each[x]) - 1) * 64 :] = 0
    assert len(layer.weights) == 11
    return found


@pytest.mark.parametrize(
    ("dtype", "within"), [(torch.float32, 2e-6), (torch.bfloat16, 2e-2)], ids=["f32", "bf16"]
)
@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("form", ["biases", "no biases", "nothing that all see"])
def test_tables_and_gradients_equal_torch(
    size: str, read: str, form: str, dtype: torch.dtype, within: float
):
    layer = _layer(size, read, biases=form != "no biases", fixed="all" not in form)
    (tables, made), wanted = layer.tables(dtype), layer.by_torch()
    for name, exact in wanted._asdict().items():
        found = getattr(tables, name)
        assert found.shape == exact.shape
        assert (found - exact).norm() <= within * exact.norm(), name
    gradients = _gradients(tables, layer)
    own = {k: w for k, w in layer.weights._asdict().items() if w is not None}
    exact = torch.autograd.grad(wanted, list(own.values()), [g.double() for g in gradients])
    found = gradients_of(made, *gradients)._asdict()
    for name, to in zip(own, exact, strict=True):
        assert found[name].shape == to.shape
        assert (found[name] - to).norm() <= within * to.norm() + 1e-9, name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("size", SIZES)
def test_numbers_do_not_depend_on_the_threads(size: str, dtype: torch.dtype):
    layer, found = _layer(size, "many rows"), []
    for n in (1, 2, 5):
        with threads(n):
            tables, made = layer.tables(dtype)
            found.append([*tables, *gradients_of(made, *_gradients(tables, layer))])
    for other in found[1:]:
        assert all(map(torch.equal, found[0], other))


def test_bfloat16_is_not_float32():
    layer = _layer("quick", "one row")
    (exact, _), (rounded, _) = layer.tables(torch.float32), layer.tables(torch.bfloat16)
    assert not torch.equal(exact.table, rounded.table)
