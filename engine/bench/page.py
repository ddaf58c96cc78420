"""How docs/performance.md gets its tables: from the figures in docs/measured, by one command."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from engine.bench.report import markdown, read
from engine.bench.training.settings import SETTINGS
from engine.version import ROOT

PAGE = ROOT / "docs" / "performance.md"
MEASURED = ROOT / "docs" / "measured"
BEGIN = "<!-- measured: written by `python -m engine bench --page` from docs/measured -->"
END = "<!-- measured: end -->"

DEVICES: Mapping[str, str] = MappingProxyType({"cpu": "The processor", "cuda": "A CUDA device"})
"""What is measured on, by the name of its file."""


def write_page(page: Path = PAGE, measured: Path = MEASURED) -> Path:
    """Put the tables between the marks of the page; the rest of it is written by hand."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n\n{tables(measured)}\n{END}{after}", encoding="utf-8")
    return page


def tables(measured: Path = MEASURED) -> str:
    """All that has been measured, and which settings and loops the names stand for."""
    parts = [_settings()]
    for device, heading in DEVICES.items():
        taken = read(measured / f"{device}.json")
        told = markdown(taken, level=4) if taken else "Not measured yet.\n"
        parts.append(f"### {heading}\n\n{told}")
    return "\n".join(parts)


def _settings() -> str:
    lines = [f"- `{name}`: {each.words}. Peer: {each.after}." for name, each in SETTINGS.items()]
    return "\n".join([*lines, ""])
