"""What every task delivers: named splits of token rows with the answers that are read from them.

Shapes: ``B`` examples, ``T`` tokens, ``A`` answer positions.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

IGNORED = -100
"""The target of an answer position that an example does not use."""


def is_memory(split: str) -> bool:
    """Whether a split asks for facts that are trained on: a probe of memory, beside `train`."""
    return split.startswith("atomic")


def is_held_out(split: str) -> bool:
    """Whether rows of a split are never trained on: of all but `train` and probes of memory."""
    return bool(split) and split != "train" and not is_memory(split)


@dataclass(frozen=True, slots=True)
class Split:
    """Examples of one split: token rows and the answer expected at each read position."""

    tokens: Int64[np.ndarray, "B T"]
    targets: Int64[np.ndarray, "B A"]

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, slots=True)
class TaskData:
    """A built task: its splits, its vocabulary and where its answers are read."""

    splits: Mapping[str, Split]
    """``train`` first; then the held-out splits by contract name (``test``, ``test_ood`` …)."""

    token_names: tuple[str, ...]
    """What each token id means, for axes and tooltips; its length is the vocabulary size."""

    n_classes: int
    """Answers are token ids below this; logits past it are dropped."""

    read_at: tuple[int, ...]
    """The positions whose logits are answers, the same for every example."""

    chance: float
    """Accuracy of a uniform guess over the answers that occur."""

    majority: float
    """Accuracy of always giving the most frequent answer."""

    alphabets: tuple[tuple[int, ...], ...] | None = None
    """For each position the tokens that may stand there, whatever the seed; None: any token."""

    by_answer: bool = False
    """Whether later answers of a row know more, so that accuracy is told for each of them."""

    @property
    def vocab_size(self) -> int:
        """How many token ids exist."""
        return len(self.token_names)

    @property
    def length(self) -> int:
        """How many tokens an example has."""
        return self.splits["train"].tokens.shape[1]


@dataclass(frozen=True, slots=True)
class TaskSizes:
    """What building a task will give, known without building it: for forms and cost estimates."""

    examples: int
    """Rows that are trained on or held out."""

    train: int
    test: int
    """Rows of all held-out splits; expected ones where the seed's draw decides."""

    vocabulary: int
    """Token ids that exist."""

    length: int
    """Tokens of an example."""

    n_classes: int

    n_read: int
    """Answer positions of an example."""

    chance: float
    """Accuracy of a uniform guess over the answers that occur."""

    probes: int = 0
    """Rows that ask again for facts that are trained on, beside those that are held out."""

    largest_phi: float | None = None
    """The most inferred facts for each atomic one that can be trained on; None without phi."""
