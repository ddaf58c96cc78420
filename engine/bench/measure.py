"""Which measurements exist, and what they need to be loaded."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from engine.bench.options import Options, chosen

Row = dict[str, Any]
Measurement = Callable[[Options], list[Row]]

# Each loads what it needs when it is called: training alone needs neither database nor Arrow, so
# that it can be measured on a machine that has neither.


def _throughput(options: Options) -> list[Row]:
    from engine.bench.training.throughput import throughput

    return throughput(options)


def _matmul(options: Options) -> list[Row]:
    from engine.bench.training.throughput import matmul

    return matmul(options)


def _batches(options: Options) -> list[Row]:
    from engine.bench.training.batches import batches

    return batches(options)


def _cores(options: Options) -> list[Row]:
    from engine.bench.training.cores import cores

    return cores(options)


def _recording(options: Options) -> list[Row]:
    from engine.bench.recording import recording

    return recording(options)


def _store(options: Options) -> list[Row]:  # noqa: ARG001
    from engine.bench.store import store

    return store()


def _presets(options: Options) -> list[Row]:
    from engine.bench.lab.presets import presets

    return presets(options)


def _precision(options: Options) -> list[Row]:  # noqa: ARG001
    from engine.bench.training.precision import precision

    return precision()


def _sweep(options: Options) -> list[Row]:
    from engine.bench.lab.sweep import sweep

    return sweep(options)


MEASUREMENTS: Mapping[str, Measurement] = MappingProxyType(
    {
        "matmul": _matmul,
        "throughput": _throughput,
        "batches": _batches,
        "cores": _cores,
        "recording": _recording,
        "store": _store,
        "presets": _presets,
        "sweep": _sweep,
        "precision": _precision,
    }
)
"""By name, in the order in which they are taken."""

ON_DEMAND: tuple[str, ...] = ("sweep", "precision")
"""Too long for every day: taken when they are named, or with `--all`."""


def measure(
    names: Sequence[str], options: Options | None = None, *, everything: bool = False
) -> Iterator[tuple[str, list[Row]]]:
    """Take the named measurements, one by one: name and rows of figures.

    None named: all but those on demand, or really all.

    Raises:
        SettingsError: for a name that is no measurement.
    """
    usual = [name for name in MEASUREMENTS if everything or name not in ON_DEMAND]
    wanted = chosen(names or usual, list(MEASUREMENTS), what="measurement")
    return ((name, MEASUREMENTS[name](options or Options())) for name in wanted)
