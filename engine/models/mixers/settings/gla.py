"""Which gated linear attention is built."""

from typing import Annotated, Literal

from pydantic import Field

from engine.models.mixers.settings.expanded import ExpandedSettings
from engine.models.recurrences.chunk import CHUNK


class GLASettings(ExpandedSettings):
    """Linear attention whose memory fades, in each key channel, at a rate the token chooses.

    Source: Yang et al. 2023 (Gated Linear Attention), section 4.
    """

    kind: Literal["gla"] = "gla"
    expand_k: Annotated[float, Field(ge=0.125, le=4.0)] = 0.5
    """Width of all heads' keys (and queries), as a multiple of d_model."""
    gate_rank: Annotated[int, Field(ge=1, le=256)] = 16
    """Rank of the matrix that makes decays of tokens."""
    gate_temperature: Annotated[float, Field(ge=1.0, le=64.0)] = 16.0
    """What log sigmoid is divided by: the larger, the longer the memory."""

    def mixer_parameters(self, length: int) -> int:
        """Queries, keys, decays, values, gate, output and the heads' norm."""
        del length
        C, K, D = self.d_model, self.d_key, self.d_value
        decays = self.gate_rank * (C + K) + K
        return C * (2 * K + 3 * D) + decays + D // self.n_heads

    def mixer_products(self, length: int, n_read: int) -> int:
        """Projections, products within the chunks, and with the state between them."""
        C, K, D = self.d_model, self.d_key, self.d_value
        projections = length * (K + D) + n_read * (K + 2 * D)
        total = C * projections + length * self.gate_rank * (C + K)
        for start in range(0, length, CHUNK):
            end = min(start + CHUNK, length)
            asked = max(0, end - max(start, length - n_read))
            total += asked * (end - start) * (K + D)
            state = K * (D // self.n_heads)
            total += asked * state if start else 0
            total += (end - start) * state if end < length else 0
        return total
