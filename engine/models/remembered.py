"""What is found out about token rows, remembered for as long as these rows are there.

Full-batch steps and evaluations see the same rows again and again, and which of them share a
prefix or a table's row depends on nothing else. What is made for the rows of one mini-batch goes
with them.
"""

from collections.abc import Callable, Hashable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

Made = TypeVar("Made")
Rest = ParamSpec("Rest")


class Remembered(Generic[Rest, Made]):
    """`make(tokens, …)`, called once for the same view of the same unchanged tensor.

    What is made must not hold the tokens, or they would never go. The other arguments have to be
    hashable.
    """

    def __init__(self, make: Callable[Concatenate[Tensor, Rest], Made]) -> None:
        self._make = make
        self._made: Any = WeakTensorKeyDictionary()

    def __call__(self, tokens: Tensor, *rest: Rest.args, **named: Rest.kwargs) -> Made:
        """What was made of these tokens, or is made now."""
        assert not named
        whole: Tensor = tokens if tokens._base is None else tokens._base  # pyright: ignore[reportPrivateUsage]
        view: tuple[Hashable, ...] = (
            whole._version,  # pyright: ignore[reportPrivateUsage]
            tokens.storage_offset(),
            tokens.shape,
            tokens.stride(),
            *rest,
        )
        made: dict[tuple[Hashable, ...], Made] = self._made.setdefault(whole, {})
        if view not in made:
            made[view] = self._make(tokens, *rest, **named)
        return made[view]
