"""Which failures of the engine a user may see; all of them are `LabError`s."""

from data.errors import DrawError, LabError, SettingsError, UploadRefused


class RunNotFound(LabError, KeyError):
    """No run has this number."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class NotPossible(LabError):
    """The run is in a state in which this cannot be done; nothing was changed."""


class QueryRefused(LabError):
    """A query that is not a single SELECT, fails, or asks for too much."""


class EngineUnavailable(LabError):
    """The daemon cannot be reached or started."""


class StoreUnavailable(LabError):
    """The database cannot be opened or written at the moment."""


__all__ = [
    "DrawError",
    "EngineUnavailable",
    "LabError",
    "NotPossible",
    "QueryRefused",
    "RunNotFound",
    "SettingsError",
    "StoreUnavailable",
    "UploadRefused",
]
