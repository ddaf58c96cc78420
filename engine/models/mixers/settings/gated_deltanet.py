"""Which gated DeltaNet is built."""

from typing import Annotated, Literal

from pydantic import Field

from engine.models.mixers.settings.expanded import ExpandedSettings


class GatedDeltaNetSettings(ExpandedSettings):
    """A memory that fades at a rate the token chooses and corrects itself as it writes.

    Source: Yang et al. 2024 (Gated DeltaNet); parameters as in Qwen3-Next.
    """

    kind: Literal["gated_deltanet"] = "gated_deltanet"
    conv_width: Annotated[int, Field(ge=1, le=16)] = 4
    """Steps that the short convolution looks at; never more than a row has."""
    negative_eigenvalues: bool = False
    """Whether β reaches 2 and not 1: the memory can then flip what it holds, as parity needs."""

    def mixer_parameters(self, length: int) -> int:
        """Packed projections, output, short convolution, decays and the heads' norm."""
        C, K, D, H = self.d_model, self.d_key, self.d_value, self.n_heads
        convolution = (2 * K + D) * min(self.conv_width, length)
        return C * (2 * K + 3 * D + 2 * H) + convolution + 2 * H + D // H

    def mixer_products(self, length: int, n_read: int) -> int:
        """Projections, overlaps of keys, the solve, scores and mixing."""
        C, K, D, H = self.d_model, self.d_key, self.d_value, self.n_heads
        projections = length * (2 * K + 2 * D + 2 * H) + n_read * D
        return C * projections + (length + n_read) * length * (K + D)
