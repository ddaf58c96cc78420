"""Whether the lab can work here: versions against the pins, device, home, daemon."""

import os
import platform
import stat
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from engine.client import connect
from engine.errors import LabError
from engine.home import Home
from engine.worker.compiler import find_compiler

REQUIREMENTS = Path(__file__).parents[2] / "requirements.txt"
_DEVICE = (
    "import torch;"
    "print('cuda: '+torch.cuda.get_device_name(0) if torch.cuda.is_available() else"
    " 'mps' if torch.backends.mps.is_available() else 'cpu')"
)


def report(home: Home) -> tuple[dict[str, Any], bool]:
    """Facts by name, and whether all of them are as they should be."""
    facts: dict[str, Any] = {"python": platform.python_version(), "cores": os.cpu_count()}
    wrong: list[str] = []
    for name, pinned in _pins().items():
        facts[name] = _installed(name)
        if facts[name].split("+")[0] != pinned:
            wrong.append(f"{name} is {facts[name]}, requirements.txt says {pinned}")
    facts["device"] = _device()
    facts["compiler"] = find_compiler() or "none: training.compile auto trains uncompiled"
    facts["home"] = str(home.path)
    wrong += _home_problems(home)
    try:
        facts["daemon"] = connect(home).health()
    except LabError as error:
        wrong.append(str(error))
    facts["problems"] = wrong
    return facts, not wrong


def in_words(facts: Mapping[str, Any]) -> dict[str, str]:
    """The facts of a report as a person reads them."""
    words = {name: str(fact) for name, fact in facts.items()}
    if "daemon" in facts:
        words["daemon"] = _daemon(facts["daemon"])
    return words | {"problems": "; ".join(facts["problems"]) or "none"}


def _daemon(health: Mapping[str, Any]) -> str:
    n_runs = health["runs"]
    return (
        f"process {health['pid']}, {health['rss_bytes'] / 1e6:,.0f} MB of memory; "
        f"{n_runs:,} run{'' if n_runs == 1 else 's'} in a database of "
        f"{health['database_bytes'] / 1e3:,.0f} kB; "
        f"{health['disk_free_bytes'] / 1e9:,.1f} GB of disk free"
    )


def _pins() -> dict[str, str]:
    lines = REQUIREMENTS.read_text().splitlines()
    return dict(line.split("==", 1) for line in lines if "==" in line)


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _device() -> str:
    # In a process of its own: the command line itself stays free of torch.
    asked = subprocess.run([sys.executable, "-c", _DEVICE], capture_output=True, text=True)
    return asked.stdout.strip() or f"torch does not load: {asked.stderr.strip()[-200:]}"


def _home_problems(home: Home) -> list[str]:
    if not home.path.is_dir():
        return []  # none yet; where it is a file, connecting says so
    mode = stat.S_IMODE(home.path.stat().st_mode)
    return [f"{home.path} is readable by others; chmod 700 mends it"] if mode & 0o077 else []
