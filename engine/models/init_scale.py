"""How large the first weights of any network are (no torch)."""

from typing import Annotated

from pydantic import Field

InitScale = Annotated[
    float,
    Field(
        ge=0.01,
        le=100.0,
        description="""Factor on the initial weights of embedding, projections and unembedding.

        Published: 8 times larger weights make a perceptron grok 1,000 images of MNIST; the delay
        grows with their logarithm and falls as 1 / weight_decay, so that AdamW with a tuned decay
        shortens it from any scale. Source: Liu et al. 2023 (Omnigrok).
        """,
    ),
]
