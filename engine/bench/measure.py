"""Which measurements exist, and how their answers are printed."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from engine.bench.recording import recording
from engine.bench.store import store
from engine.cli.output import print_json, print_rows
from engine.config.problems import nearest
from engine.errors import SettingsError

Measurement = Callable[[], list[dict[str, Any]]]

MEASUREMENTS: Mapping[str, Measurement] = MappingProxyType(
    {"recording": recording, "store": store}
)


def measure(names: Sequence[str], *, as_json: bool) -> int:
    """Run the named measurements, all of them when none is named; prints rows of figures."""
    for name in names:
        if name not in MEASUREMENTS:
            hint = nearest(name, list(MEASUREMENTS))
            raise SettingsError(f"no measurement is called '{name}'; {hint}")
    results = {name: MEASUREMENTS[name]() for name in names or MEASUREMENTS}
    if as_json:
        print_json(results)
        return 0
    for name, rows in results.items():
        print(f"\n{name}")
        print_rows(rows, list(rows[0]) if rows else [])
    return 0
