"""How a share of what a layer gives is left out in training, as chance has it.

Shapes: ``B`` examples, ``A`` positions, ``C`` width.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from engine.kernels.hashed import even_by_loops

_WORD = 0xFFFF_FFFF
_STRIDE = 0x9E37_79B1
"""Between the keys of two places of a network: odd, so that no two are alike."""


class Dropout(nn.Module):
    """x with a share `rate` of its numbers at zero and the others scaled up by 1 / (1 − rate).

    Key and rate are buffers without values, so that x passes as it is; a caller that trains puts
    them in with `torch.func.functional_call`. What is left out is a hash of the key and the place
    in x, no generator's draw: each run of a batch has a key and a rate of its own under
    `torch.vmap`, and every device leaves out the same. A layer that is run in several loops leaves
    out the same in each.

    Source: Srivastava et al. 2014, section 10; Gal and Ghahramani 2016 for the loops.
    """

    key: Int64[Tensor, ""] | None
    rate: Float[Tensor, ""] | None

    def __init__(self) -> None:
        super().__init__()
        self.loops = False
        """Whether the CPU's loop may be taken, which neither vmap nor the compiler looks into."""
        self.register_buffer("key", None, persistent=False)
        self.register_buffer("rate", None, persistent=False)

    def forward(self, x: Float[Tensor, "B A C"]) -> Float[Tensor, "B A C"]:
        """What is left of x."""
        if self.key is None or self.rate is None:
            return x
        kept = self._even(self.key, x) >= self.rate
        return x * kept / (1 - self.rate).to(x.dtype)

    def _even(self, key: Int64[Tensor, ""], x: Float[Tensor, "B A C"]) -> Float[Tensor, "B A C"]:
        if self.loops:
            return even_by_loops(int(key), x.shape)
        return even(key, x.shape, x.device)


def places(network: nn.Module) -> list[str]:
    """Where in a network something can be left out, by name."""
    return [name for name, module in network.named_modules() if isinstance(module, Dropout)]


def chosen(
    names: list[str], key: Int64[Tensor, ""], rate: Float[Tensor, ""]
) -> Iterator[tuple[str, Tensor]]:
    """The buffers that have each place leave out a share of its own."""
    for number, name in enumerate(names):
        yield f"{name}.key", (key + number * _STRIDE) & _WORD
        yield f"{name}.rate", rate


def even(
    key: Int64[Tensor, ""], shape: torch.Size, device: torch.device
) -> Float[Tensor, "*shape"]:
    """Numbers in [0, 1) that depend on the key, below 2³², and on the place alone."""
    place = torch.arange(shape.numel(), device=device).view(shape)
    return (_mixed(_mixed(place ^ key) + key & _WORD) >> 8).to(torch.float32) * 2.0**-24


def _mixed(word: Int64[Tensor, "*shape"]) -> Int64[Tensor, "*shape"]:
    """A permutation of the 32-bit words without a pattern that is seen. Source: Wellons 2018."""
    word = ((word ^ word >> 16) * 0x7FEB_352D) & _WORD
    word = ((word ^ word >> 15) * 0x846C_A68B) & _WORD
    return word ^ word >> 16
