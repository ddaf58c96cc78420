"""How a question becomes a token row.

The residues are the tokens 0 … p−1, `=` is p, the operator is p+1 and `eos` is p+2. For p = 113,
57 + 3 reads, the answer 60 being expected at the last position:

    a b =           57   3 113
    a o b =         57 114   3 113
    eos a o b =    115  57 114   3 113
"""

from typing import Literal

import numpy as np
from jaxtyping import Int64

Format = Literal["a b =", "a o b =", "eos a o b ="]
FORMATS: dict[str, tuple[str, ...]] = {
    "a b =": ("a", "b", "="),
    "a o b =": ("a", "o", "b", "="),
    "eos a o b =": ("eos", "a", "o", "b", "="),
}
_SYMBOLS = ("=", "o", "eos")
"""In the order of their token ids, which follow the residues."""


def rows(
    format_name: Format, a: Int64[np.ndarray, " N"], b: Int64[np.ndarray, " N"], *, p: int
) -> Int64[np.ndarray, "N T"]:
    """One token row for each pair."""
    columns = {"a": a, "b": b} | {
        symbol: np.full_like(a, p + place) for place, symbol in enumerate(_SYMBOLS)
    }
    return np.stack([columns[name] for name in FORMATS[format_name]], axis=1)


def alphabets(
    format_name: Format, a: Int64[np.ndarray, " N"], b: Int64[np.ndarray, " N"], *, p: int
) -> tuple[tuple[int, ...], ...]:
    """The tokens that stand at each position of some pair's row."""
    tokens = rows(format_name, a, b, p=p)
    return tuple(tuple(map(int, np.unique(column))) for column in tokens.T)


def token_names(format_name: Format, *, p: int) -> tuple[str, ...]:
    """What every token id means; symbols that the format does not use have no id."""
    used = [symbol for symbol in _SYMBOLS if symbol in FORMATS[format_name]]
    return (*map(str, range(p)), *used)


def vocab_size(format_name: Format, *, p: int) -> int:
    """How many token ids exist: the residues and the format's symbols."""
    return p + sum(symbol in FORMATS[format_name] for symbol in _SYMBOLS)
