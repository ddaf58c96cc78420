"""Which graph of the user's is learned, and how much of what follows from it is shown."""

from typing import Annotated, Literal

from pydantic import Field

from data.settings import Settings
from data.uploads.settings import NEIGHBOURS, ContentName


class TriplesSettings(Settings):
    """Uploaded facts (head, relation, tail) are shown; what two of them in a row give is asked.

    Source: your own file; the splits are those of Wang et al. 2024, section 3.1.
    """

    kind: Literal["triples"] = "triples"
    sha256: ContentName = NEIGHBOURS
    """The upload, named by the SHA-256 of its bytes; by default an example of 64 places."""
    header: bool = False
    """Whether the first line names the columns instead of holding a fact."""
    phi: Annotated[float, Field(ge=0.01, le=1000)] | None = None
    """Inferred facts that are trained on, for each atomic fact in distribution.

    Without it, all are trained on that the graph offers and that are not held out.
    """
    ood_share: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """The share of facts that are trained on but never composed in training; 0 for none."""
    holdout_share: Annotated[float, Field(ge=0.0001, le=0.5)] = 0.1
    """The share of in-distribution inferred facts that is kept for testing."""
    probes: Annotated[int, Field(ge=20, le=100_000)] = 3000
    """The most rows of a held-out split."""
