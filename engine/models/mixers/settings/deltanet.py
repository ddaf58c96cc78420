"""Which DeltaNet is built."""

from typing import Annotated, Literal

from pydantic import Field

from engine.models.mixers.settings.expanded import ExpandedSettings


class DeltaNetSettings(ExpandedSettings):
    """A memory that, before it writes, takes off what it already holds for the key.

    Source: Yang et al. 2024 (DeltaNet), section 3 and appendix; Grazzi et al. 2024 for
    negative_eigenvalues.
    """

    kind: Literal["deltanet"] = "deltanet"
    conv_width: Annotated[int, Field(ge=1, le=16)] = 4
    """Steps that the short convolutions look at; never more than a row has."""
    negative_eigenvalues: bool = False
    """Whether β reaches 2 and not 1: the memory can then flip what it holds, as parity needs."""

    def mixer_parameters(self, length: int) -> int:
        """Queries, keys, values, β, output, three short convolutions and the heads' norm."""
        C, K, D = self.d_model, self.d_key, self.d_value
        convolutions = (2 * K + D) * min(self.conv_width, length)
        return C * (2 * K + 2 * D + self.n_heads) + convolutions + D // self.n_heads

    def mixer_products(self, length: int, n_read: int) -> int:
        """Projections, overlaps of keys, the solve, scores and mixing."""
        C, K, D = self.d_model, self.d_key, self.d_value
        projections = length * (2 * K + D + self.n_heads) + n_read * D
        return C * projections + (length + n_read) * length * (K + D)
