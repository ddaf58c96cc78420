"""Which two-level recursive net is built."""

from typing import Annotated, Literal

from pydantic import Field

from data.settings import Settings
from engine.models.init_scale import InitScale


class TRMSettings(Settings):
    """A tiny core that refines two states, z_H and z_L, again and again.

    Source: Jolicoeur-Martineau 2025 (TRM, without attention); He et al. 2026, one pass without
    halting.
    """

    kind: Literal["trm"] = "trm"
    n_layers: Annotated[int, Field(ge=1, le=16)] = 2
    """Blocks of the core, which both states share."""
    d_model: Annotated[int, Field(ge=2, le=2048)] = 128
    """Width of the states."""
    d_mlp: Annotated[int, Field(ge=1, le=16384)] = 344
    """Hidden width of each gated MLP over the width."""
    d_mix: Annotated[int, Field(ge=1, le=4096)] = 64
    """Hidden width of each gated MLP over the positions, which stands in attention's place."""
    n_prefix: Annotated[int, Field(ge=0, le=64)] = 16
    """Learned places in front of every row, zero at the start."""
    h_cycles: Annotated[int, Field(ge=1, le=16)] = 2
    """How often z_H is refined; the last time alone is trained through."""
    l_cycles: Annotated[int, Field(ge=1, le=32)] = 6
    """How often z_L is refined before each refinement of z_H; a fork may change both."""
    init_scale: InitScale = 1.0

    def n_parameters(self, vocab_size: int, length: int) -> int:
        """How many numbers are trained."""
        places = self.n_prefix + length
        core = self.n_layers * 3 * (places * self.d_mix + self.d_model * self.d_mlp)
        return core + (2 * vocab_size + self.n_prefix) * self.d_model

    def flops_per_example(self, vocab_size: int, length: int, n_read: int) -> int:
        """Operations that one more example costs a training step.

        Counts the matrix products, two operations for a multiply-add: once for the cycles that
        are not trained through, three times for the last. Each read position takes a pass.
        """
        C, places = self.d_model, self.n_prefix + length
        mix, think = 3 * places * C * self.d_mix, 3 * C * self.d_mlp
        cycle = (self.l_cycles + 1) * self.n_layers * (mix + places * think)
        spared = (places - 1) * think
        free = (self.h_cycles - 1) * cycle
        return 2 * n_read * (free + 3 * (cycle - spared + C * vocab_size))
