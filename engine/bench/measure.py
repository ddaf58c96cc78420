"""Which measurements exist."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from engine.bench.recording import recording
from engine.bench.store import store
from engine.config.problems import nearest
from engine.errors import SettingsError

Measurement = Callable[[], list[dict[str, Any]]]

MEASUREMENTS: Mapping[str, Measurement] = MappingProxyType(
    {"recording": recording, "store": store}
)


def measure(names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Run the named measurements, all of them when none is named; rows of figures by name.

    Raises:
        SettingsError: for a name that is no measurement.
    """
    for name in names:
        if name not in MEASUREMENTS:
            hint = nearest(name, list(MEASUREMENTS))
            raise SettingsError(f"no measurement is called '{name}'; {hint}")
    return {name: MEASUREMENTS[name]() for name in names or MEASUREMENTS}
