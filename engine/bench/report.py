"""How measurements are kept: a JSON file that later runs add to, and its Markdown twin."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.bench.table import table
from engine.errors import SettingsError

Taken = dict[str, Any]
"""One measurement: `machine` (see `engine.bench.machine`), `options` and `rows`."""

SUFFIXES = (".json", ".md")


def check(file: Path, *, device: str) -> None:
    """See before measuring that a file can take what is measured.

    Raises:
        SettingsError: it has another suffix, no folder, or holds figures of another device.
    """
    if file.suffix not in SUFFIXES:
        raise SettingsError(f"--to must end in .json or .md, got '{file}'")
    if not file.parent.is_dir():
        raise SettingsError(f"--to names a folder that does not exist: {file.parent}")
    others = {each["machine"]["device"] for each in read(file.with_suffix(".json")).values()}
    if others - {device}:
        raise SettingsError(
            f"{file} holds figures of {', '.join(sorted(others))}, these are of {device}; "
            "name another file"
        )


def read(file: Path) -> dict[str, Taken]:
    """The measurements in a JSON file by name; none where there is no file."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def write(file: Path, taken: Mapping[str, Taken]) -> list[Path]:
    """Add measurements to the JSON file and write all it holds as Markdown beside it.

    A measurement that is there already is replaced as a whole. Returns both files.
    """
    both = [file.with_suffix(suffix) for suffix in SUFFIXES]
    every = read(both[0]) | dict(taken)
    both[0].write_text(json.dumps(every, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    both[1].write_text(markdown(every), encoding="utf-8")
    return both


def markdown(taken: Mapping[str, Taken], *, level: int = 2) -> str:
    """Every measurement as a heading, where and when it was taken, and its table."""
    return "\n".join(
        f"{'#' * level} {name}\n\n{circumstances(each)}\n\n{table(name, each['rows'])}\n"
        for name, each in taken.items()
    )


def circumstances(taken: Taken) -> str:
    """Where, when and how a measurement was taken, as a sentence."""
    machine, options = taken["machine"], taken["options"]
    versions = [f"{name} {machine[name]}" for name in _VERSIONS if name in machine]
    name = machine["device_name"]
    processor = "" if machine["cpu"] == name else f"; {machine['cpu']}"
    return (
        f"{name}{processor}, {machine['cores']} cores, {options['threads']} thread"
        f"{'s' if options['threads'] > 1 else ''} for each program; {', '.join(versions)}; "
        f"{machine['date']} UTC, load {machine['load']}; "
        f"{options['rounds']} rounds of {options['seconds']:g} s at most."
    )


_VERSIONS = ("lab", "python", "torch", "numba", "transformers")
