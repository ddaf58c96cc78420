"""Which token stands for which name of an upload."""

import numpy as np
from jaxtyping import Int64


def answers_first(
    names: tuple[str, ...], answers: Int64[np.ndarray, " N"]
) -> tuple[Int64[np.ndarray, " K"], tuple[str, ...], int]:
    """The token of each of K names, the names by token, and how many are answers: the first ones.

    `answers` are places in `names`. Within both parts the names keep their order.
    """
    is_answer = np.zeros(len(names), dtype=bool)
    is_answer[answers] = True
    order = np.argsort(~is_answer, kind="stable")
    token = np.empty(len(order), dtype=np.int64)
    token[order] = np.arange(len(order), dtype=np.int64)
    return token, tuple(names[place] for place in order), int(is_answer.sum())
