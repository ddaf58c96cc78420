"""What `--setting`, `--arm`, `--sizes` and `--grid` choose from, looked at before measuring."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from engine.bench.measure import MEASUREMENTS, ON_DEMAND
from engine.bench.options import Options, chosen
from engine.errors import SettingsError

HEEDED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "--setting": ("matmul", "throughput", "batches", "cores", "presets"),
        "--arm": ("throughput",),
        "--sizes": ("batches",),
        "--grid": ("sweep",),
    }
)
"""Which measurements heed a flag."""

_CHOICE: Mapping[str, Callable[[Options], object]] = MappingProxyType(
    {
        "--setting": lambda options: options.settings,
        "--arm": lambda options: options.arms,
        "--sizes": lambda options: options.sizes,
        "--grid": lambda options: options.grid,
    }
)


def named(names: Sequence[str], *, everything: bool) -> tuple[str, ...]:
    """The measurements that are taken; where none is named, all, or all but those on demand.

    Raises:
        SettingsError: for a name that is no measurement.
    """
    usual = [name for name in MEASUREMENTS if everything or name not in ON_DEMAND]
    return chosen(names or usual, list(MEASUREMENTS), what="measurement")


def check(taken: Sequence[str], options: Options) -> None:
    """Refuse choices that nothing would heed, and names that what is taken does not know.

    Raises:
        SettingsError: with the names that can be chosen.
    """
    for flag, heeded in HEEDED.items():
        idle = _CHOICE[flag](options) == _CHOICE[flag](Options())
        if not idle and not set(taken) & set(heeded):
            raise SettingsError(
                f"{flag} chooses nothing in {', '.join(taken)}: it is for {', '.join(heeded)}"
            )
    if options.settings:
        _check_settings(taken, options)
    if options.arms and "throughput" in taken:
        _check_arms(options)


def _check_settings(taken: Sequence[str], options: Options) -> None:
    if set(taken) & set(HEEDED["--setting"]) - {"presets"}:
        from engine.bench.training.settings import SETTINGS

        chosen(options.settings, list(SETTINGS), what="setting")
    if "presets" in taken:
        from engine.config.presets import PRESETS

        chosen(options.settings, list(PRESETS), what="preset")


def _check_arms(options: Options) -> None:
    """The device and each setting must leave something of the arms that were named."""
    from engine.bench.machine import pick
    from engine.bench.training.arms import WORDS, Contest
    from engine.bench.training.settings import COMPARED, SETTINGS

    chosen(options.arms, list(WORDS), what="arm")
    device, settings = pick(options.device), options.settings or COMPARED
    for name in settings:
        contest = Contest(SETTINGS[name], device=device, threads=options.threads)
        if not contest.names(options.arms):
            raise SettingsError(
                f"{name} has no arm {', '.join(options.arms)} on this device; "
                f"known: {', '.join(contest.names(()))}; --setting takes other settings"
            )
