"""How near a network comes to what it is held to: the bounds, and the largest distances seen.

The variable `GROKKING_LAB_PARITY` names a file to which a session of tests writes the latter, by
kind; `python -m engine.bench.zoo` puts them on its page.
"""

import json
import os
from collections import defaultdict
from pathlib import Path

import torch
from torch import Tensor, nn

LOGITS, GRADIENTS = 1e-5, 1e-4
"""Largest distances, relative to the scale of what is compared."""

_seen: defaultdict[str, dict[str, float]] = defaultdict(dict)


def relative(difference: Tensor, scale: Tensor) -> float:
    """The largest difference over the largest value."""
    return float((difference.abs().max() / scale.abs().max()).detach())


def logits_agree(kind: str, found: Tensor, expected: Tensor) -> None:
    """Logits (or what a layer gives) are within `LOGITS` of their scale."""
    _within(LOGITS, "logits", kind, found, expected)


def gradient_agrees(kind: str, name: str, found: Tensor | None, expected: Tensor | None) -> None:
    """One parameter's gradient is there and within `GRADIENTS` of its scale."""
    assert found is not None, name
    assert expected is not None, name
    _within(GRADIENTS, "gradients", kind, found, expected, told=name)


def gradients_agree(kind: str, model: nn.Module, found: Tensor, expected: Tensor) -> None:
    """Gradients of a loss that weighs every number, of two graphs over the same parameters."""
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(2)).to(found)
    names, parameters = zip(*model.named_parameters(), strict=True)
    fast, slow = (
        torch.autograd.grad(
            (each * weights).sum(), parameters, materialize_grads=True, retain_graph=True
        )
        for each in (found, expected)
    )
    for name, one, other in zip(names, fast, slow, strict=True):
        gradient_agrees(kind, name, one, other)


def _within(
    bound: float, what: str, kind: str, found: Tensor, expected: Tensor, *, told: str = ""
) -> None:
    distance = relative(found - expected, expected)
    assert distance < bound, told
    _seen[kind][what] = max(_seen[kind].get(what, 0.0), distance)


def write_seen() -> None:
    """Write the largest distances where a file is named for them."""
    if path := os.environ.get("GROKKING_LAB_PARITY"):
        Path(path).write_text(json.dumps(_seen), encoding="utf-8")
