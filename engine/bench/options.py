"""How much is measured, and on what: the choices of the command line (no torch)."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.config.problems import nearest
from engine.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Options:
    """What all measurements are told."""

    settings: tuple[str, ...] = ()
    """Which settings are measured; none named: those that the measurement takes by itself."""
    arms: tuple[str, ...] = ()
    """Which ways of training are compared; none named: all."""
    seconds: float = 4.0
    """How long each arm trains in each round."""
    rounds: int = 3
    """How often the arms take turns."""
    threads: int = 1
    """Threads of the processor for each program."""
    device: str = "auto"
    """`cpu`, `cuda`, or `auto` for CUDA where there is one."""
    sizes: tuple[int, ...] = (1, 8, 64, 256, 1024)
    """How many runs are put into one program."""
    grid: int = 16
    """A sweep has so many values of each of its two settings."""

    def __post_init__(self) -> None:
        """Refuse numbers that measure nothing.

        Raises:
            SettingsError: naming the option, its least value and what was given.
        """
        least = {"--rounds": self.rounds, "--threads": self.threads, "--grid": self.grid}
        least |= {"--sizes": min(self.sizes, default=0)}
        for option, given in least.items():
            if given < 1:
                raise SettingsError(f"{option} must be at least 1, got {given}")
        if not self.seconds > 0:
            raise SettingsError(f"--seconds must be greater than 0, got {self.seconds:g}")


def chosen(names: Sequence[str], known: Sequence[str], *, what: str) -> tuple[str, ...]:
    """The names, in the order of `known`; all of them when none is given.

    Raises:
        SettingsError: for a name that is not known.
    """
    for name in names:
        if name not in known:
            raise SettingsError(f"no {what} is called '{name}'; {nearest(name, known)}")
    return tuple(name for name in known if name in names or not names)
