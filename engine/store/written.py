"""What people may write about a run: bounded in size, and otherwise kept as it is."""

from collections.abc import Sequence

from engine.errors import SettingsError

MOST_NAME_CHARACTERS = 200
MOST_NOTE_CHARACTERS = 10_000
MOST_TAGS = 20
MOST_TAG_CHARACTERS = 50


def checked_name(name: str) -> str:
    """The name, if it is short enough. Raises SettingsError."""
    return _bounded("name", name, MOST_NAME_CHARACTERS)


def checked_notes(notes: str) -> str:
    """The notes, if they are short enough. Raises SettingsError."""
    return _bounded("notes", notes, MOST_NOTE_CHARACTERS)


def checked_tags(tags: Sequence[str]) -> list[str]:
    """The tags without repetition, if they are few and short enough. Raises SettingsError."""
    if isinstance(tags, str):
        raise SettingsError(f"tags must be a list of words, got the text {tags[:50]!r}")
    distinct = list(dict.fromkeys(tags))
    if len(distinct) > MOST_TAGS:
        raise SettingsError(f"a run may have {MOST_TAGS} tags, got {len(distinct)}; remove some")
    return [_bounded("tag", tag, MOST_TAG_CHARACTERS) for tag in distinct]


def _bounded(thing: str, text: str, most: int) -> str:
    if len(text) > most:
        raise SettingsError(
            f"{thing} may have {most:,} characters, got {len(text):,} ({text[:30]!r}…); shorten it"
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise SettingsError(f"{thing} must be valid Unicode, got {text[:30]!r}") from None
    return text
