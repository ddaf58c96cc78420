"""Which figure of curves is meant, apart from what it shows."""

from dataclasses import dataclass

from app.charts.markers import Mode


@dataclass(frozen=True, slots=True)
class Figure:
    """Which figure of curves is meant; equal figures have equal specifications."""

    mode: Mode
    splits: tuple[str, ...]
    runs: tuple[tuple[str, str], ...]
    """(run number as text, label) in the order of selection."""
    log_x: bool = True
    measures: tuple[str, ...] = ()
    """Metrics of no split that are drawn in panels of their own below the loss."""
