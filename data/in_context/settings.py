"""Which tasks a network is pre-trained on, on which inputs, and how many rows are drawn."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from data.bounds import least, most, way_out
from data.fraction import n_shown
from data.in_context.rectangles import most_rectangles
from data.settings import Settings


class InContextSettings(Settings):
    """Rows of triples x y z with z = a x + b y mod p, whose (a, b) is hidden and must be inferred.

    The paper draws fresh rows at every step; here a fixed number of rows is drawn once, which
    can in principle be memorised: raise `train_size` to come closer to the paper.

    Source: He, Doshi, Das and Gromov 2024 (arXiv 2406.02550), section 3.
    """

    kind: Literal["in_context"] = "in_context"
    p: Annotated[int, Field(ge=3, le=113)] = 29
    """The modulus; there are p² tasks (a, b) and p² inputs (x, y)."""
    n_shots: Annotated[int, Field(ge=2, le=64)] = 32
    """Triples of a row, all of one task; a row has three times as many tokens."""
    n_unasked: Annotated[int, Field(ge=0, le=8)] = 2
    """First triples of a row whose answer is not asked: before two examples it is a guess.

    0 asks for all, as the paper's loss does; accuracy then cannot reach 1 on unmemorised rows.
    """
    n_rectangles: Annotated[int, Field(ge=1, le=1024)] = 16
    """Rectangles of four tasks (a, b), (a, y), (x, b), (x, y) that are trained on.

    No two share a task; the paper has 2 to 128 of them at p = 29.
    """
    train_fraction: Annotated[float, Field(ge=0.05, le=0.95)] = 0.8
    """The share of all inputs (x, y) that occurs in training rows; the same for every task."""
    train_size: Annotated[int, Field(ge=1, le=200_000)] = 20_000
    """Rows that are drawn to train on, equally many of each task."""
    test_size: Annotated[int, Field(ge=1, le=20_000)] = 1_000
    """Rows of each of the four evaluation sets."""

    @model_validator(mode="after")
    def _some_answers_are_asked(self) -> "InContextSettings":
        if self.n_unasked >= self.n_shots:
            raise ValueError(
                f"n_unasked must be less than n_shots, which is {self.n_shots}, got "
                f"{self.n_unasked}; ask for more answers or show more triples"
            )
        return self

    @model_validator(mode="after")
    def _rectangles_leave_unseen_tasks(self) -> "InContextSettings":
        room = most_rectangles(self.p)
        if self.n_rectangles > room:
            raise ValueError(
                f"n_rectangles must be at most {room:,}, for which the {self.p**2:,} tasks of p = "
                f"{self.p} always have room, got {self.n_rectangles:,}; "
                "give fewer rectangles or a larger p"
            )
        return self

    @model_validator(mode="after")
    def _a_row_has_different_inputs(self) -> "InContextSettings":
        train, test = n_inputs(self)
        if min(train, test) < self.n_shots:
            raise ValueError(
                f"train_fraction must leave at least n_shots = {self.n_shots} different inputs on "
                f"either side, got {self.train_fraction:g}, which leaves {train:,} to train on "
                f"and {test:,} to test on; {_way_out(self)}"
            )
        return self


def _way_out(settings: InContextSettings) -> str:
    """What ends a refusal of a share of inputs that leaves too few on one side."""
    low = least(settings, "train_fraction", lambda other: n_inputs(other)[0] >= other.n_shots)
    high = most(settings, "train_fraction", lambda other: n_inputs(other)[1] >= other.n_shots)
    otherwise = "give fewer shots or a larger p"
    if low is None or high is None or low > high:
        return otherwise
    side, bound = ("least", low) if settings.train_fraction < low else ("most", high)
    return way_out(side, bound, otherwise)


def n_inputs(settings: InContextSettings) -> tuple[int, int]:
    """How many inputs (x, y) training rows use, and how many they never do."""
    train = n_shown(settings.p**2, settings.train_fraction)
    return train, settings.p**2 - train
