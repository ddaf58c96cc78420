"""Which table of the user's is learned, and which share of it is shown."""

from typing import Annotated, Literal

from pydantic import Field

from data.settings import Settings
from data.uploads.settings import WEEKDAYS, ContentName


class TableSettings(Settings):
    """The rows of an upload, split at random: what is the last field, given the others?

    Source: your own file.
    """

    kind: Literal["table"] = "table"
    sha256: ContentName = WEEKDAYS
    """The upload, named by the SHA-256 of its bytes; by default an example of weekdays."""
    header: bool = False
    """Whether the first line names the columns instead of holding data."""
    train_fraction: Annotated[float, Field(ge=0.01, le=0.99)] = 0.5
    """The share of all rows that is trained on; the rest is the test split."""
