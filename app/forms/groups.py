"""In which group a kind is offered, so that long lists can be read."""

from collections.abc import Sequence

GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "task": {
        "arithmetic": ("modular", "in_context", "permutation", "parity"),
        "facts": ("composition", "comparison", "search", "transfer"),
        "memory": ("recall",),
        "your own": ("triples", "table"),
    },
    "model": {
        "transformer": ("gpt", "llama"),
        "shared depth": ("universal", "trm"),
        "with memory": ("memory",),
        "linear attention": ("linear_attention", "retnet", "gla", "deltanet", "gated_deltanet"),
        "state space": ("mamba", "mamba2"),
        "recurrent": ("rwkv4", "rwkv7", "lstm"),
        "mixed": ("hybrid",),
        "no sequence": ("mlp",),
    },
    "optimizer": {"element by element": ("adamw", "adam", "sgd", "lion"), "by matrix": ("muon",)},
}
"""Kinds by group, by section; a kind that is in no group comes last."""


def ordered(section: str, known: Sequence[str]) -> list[str]:
    """The kinds group by group."""
    listed = [kind for group in GROUPS.get(section, {}).values() for kind in group]
    return [kind for kind in listed if kind in known] + [k for k in known if k not in listed]


def title(section: str, kind: str) -> str:
    """A kind with its group: `linear attention · retnet`."""
    for group, kinds in GROUPS.get(section, {}).items():
        if kind in kinds:
            return f"{group} · {kind.replace('_', ' ')}"
    return kind
