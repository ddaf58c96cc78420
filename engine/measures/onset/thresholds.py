"""Where the onset detector draws its lines."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from data.errors import SettingsError
from data.settings import Settings

Accuracy = Annotated[float, Field(gt=0.0, le=1.0)]


class Thresholds(Settings):
    """The lines of the onset detector; the defaults are what published runs are judged by."""

    train: Accuracy = 0.99
    """Train accuracy from which a run has memorised."""
    test: Accuracy = 0.95
    """Test accuracy from which a run has grokked."""
    sustained: Annotated[int, Field(ge=1, le=100)] = 3
    """Consecutive evaluations that a crossing must last; the first of them dates it."""
    rise: Annotated[float, Field(ge=0.0, le=1.0)] = 0.03
    """Least height above the plateau, in accuracy, that counts as a rise."""
    noise: Annotated[float, Field(ge=0.0, le=100.0)] = 5.0
    """Least height above the plateau in units of the plateau's own noise."""
    fall: Annotated[float, Field(gt=0.0, le=1.0)] = 0.05
    """A rise that falls back by more than this before it reaches `test` is withdrawn."""

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> "Thresholds":
        """Thresholds from names and numbers; what is not named keeps its default.

        Raises:
            SettingsError: a name is unknown or a number out of range.
        """
        try:
            return cls.model_validate(dict(given))
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise SettingsError(
                f"onset threshold {name}: {first['msg']}, got {first['input']!r};"
                f" the thresholds are {', '.join(cls.model_fields)}"
            ) from None
