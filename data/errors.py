"""Which exceptions reach a user: one family; each names the thing, the rule and the way out."""


class LabError(Exception):
    """Anything that a user can understand and mend."""


class SettingsError(LabError, ValueError):
    """A setting is unknown, malformed or out of range; nothing was changed."""


class DrawError(SettingsError):
    """What a seed drew cannot give what the settings ask; another seed or less of it can."""


class UploadRefused(LabError):
    """An upload is missing, altered, or has lines that cannot be used; nothing was kept."""
