"""What `python -m engine bench` understands and does (no torch before it measures)."""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.bench import filters
from engine.bench.measure import MEASUREMENTS, ON_DEMAND, measure
from engine.bench.options import Options
from engine.bench.table import table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command, with the defaults of `Options`."""
    usual = Options()
    about = ", ".join(MEASUREMENTS)
    parser.add_argument(
        "what",
        nargs="*",
        help=f"which measurements ({about}); none: all{_but()}",
    )
    parser.add_argument("--all", action="store_true", help="all measurements, long ones too")
    for name, what in (
        ("setting", "measure this setting (for presets: preset), not those usually measured"),
        ("arm", "with throughput: compare this way of training; none: all of them"),
    ):
        parser.add_argument(
            f"--{name}",
            action="append",
            default=[],
            metavar="NAME",
            help=f"{what}; may be repeated",
        )
    for name, kind, what in (
        ("seconds", float, "how long each arm trains in a round"),
        ("rounds", int, "how often the arms take turns"),
        ("threads", int, "threads of each program"),
        ("grid", int, "with sweep: values of each of its two settings"),
    ):
        default = getattr(usual, name)
        parser.add_argument(
            f"--{name}", type=kind, default=default, help=f"{what} (default {default:g})"
        )
    parser.add_argument(
        "--sizes",
        type=_numbers,
        default=usual.sizes,
        metavar="N,N…",
        help="with batches: runs in one program",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default=usual.device)
    parser.add_argument(
        "--to",
        type=Path,
        metavar="FILE",
        help="FILE.json or FILE.md: both are written; figures of other measurements in it stay",
    )
    parser.add_argument(
        "--page",
        action="store_true",
        help="write the tables of docs/performance.md from docs/measured, and measure nothing",
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, print each table as soon as it is there, and keep what `--to` asks for."""
    if arguments.page:
        from engine.bench.page import write_page

        print(write_page())
        return 0
    options = Options(
        settings=tuple(arguments.setting),
        arms=tuple(arguments.arm),
        seconds=arguments.seconds,
        rounds=arguments.rounds,
        threads=arguments.threads,
        device=arguments.device,
        sizes=arguments.sizes,
        grid=arguments.grid,
    )
    every: dict[str, Any] = {}
    for name, taken in _taken(arguments, options):
        every[name] = taken
        if arguments.to:
            from engine.bench.report import write

            write(arguments.to, {name: taken})
        if not arguments.json:
            print(f"\n{name}\n\n{table(name, taken['rows'])}", flush=True)
    if arguments.json:
        print(json.dumps(every, indent=2, ensure_ascii=False))
    return 0


def main(arguments: list[str] | None = None) -> int:
    """The same as a program of its own, which needs none of what the lab's other commands need."""
    from engine.errors import LabError, SettingsError

    parser = argparse.ArgumentParser(
        prog="python -m engine.bench", description="Measure the engine on this machine."
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_arguments(parser)
    try:
        return run(parser.parse_args(arguments))
    except LabError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, SettingsError) else 1


def _taken(
    arguments: argparse.Namespace, options: Options
) -> Iterator[tuple[str, dict[str, Any]]]:
    names = filters.named(arguments.what, everything=arguments.all)
    filters.check(names, options)
    from engine.bench.machine import facts, pick
    from engine.bench.report import check

    device = pick(options.device)
    if arguments.to:
        check(arguments.to, device=device.type)
    asked, machine = measure(names, options), facts(device)
    for name, rows in asked:
        yield name, {"machine": machine, "options": asdict(options), "rows": rows}
        machine = facts(device)


def _but() -> str:
    return f" but {', '.join(ON_DEMAND)}" if ON_DEMAND else ""


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"whole numbers with commas between, got '{text}'"
        ) from None
