"""Which commands and flags the command line has."""

import argparse
import re
from collections.abc import Callable
from typing import Any, NoReturn

from engine.bench import command as measuring
from engine.cli import commands, exporting, running, uploading
from engine.config.problems import nearest
from engine.errors import SettingsError

Command = Callable[[argparse.Namespace], int]

_UNKNOWN = re.compile(r"invalid choice: '(?P<given>.*)' \(choose from (?P<known>.*)\)")
"""How argparse words a name that is none of a list."""
_NO_NUMBER = re.compile(r"invalid (?P<kind>int|float) value: ")
_NUMBERS = {"int": "a whole number", "float": "a number"}


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one sentence and exit status 2."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage; `main` prints it in one place."""
        raise SettingsError(f"{_short(message)}; `{self.prog} --help` lists what is understood")

    def parse_known_args(self, *args: Any, **kwargs: Any) -> Any:
        """Complain of what is left over here, where the command's own name is known."""
        parsed, left = super().parse_known_args(*args, **kwargs)
        if left:
            self.error(f"unrecognized arguments: {' '.join(left)}")
        return parsed, left


def _short(message: str) -> str:
    """Of a name that is none of a list the nearest of these alone; of a type no Python word."""
    unknown = _UNKNOWN.search(message)
    if unknown is None:
        return _NO_NUMBER.sub(lambda found: f"must be {_NUMBERS[found['kind']]}, got ", message)
    hint = nearest(unknown["given"], re.findall("'([^']+)'", unknown["known"]))
    return f"{message[: unknown.start()]}there is no '{unknown['given']}', {hint.rstrip('?')}"


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    root = Parser(prog="python -m engine", description="Launch, watch and control grokking runs.")
    verbs = root.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    _add(verbs, "presets", commands.presets, "list the prepared experiments")
    _add_run(verbs)
    _add(verbs, "list", commands.list_runs, "list all runs")
    for name, function, words in (
        ("show", commands.show, "show one run with its events"),
        ("pause", commands.control, "checkpoint a run and free its process"),
        ("resume", commands.control, "go on from the latest checkpoint"),
        ("stop", commands.control, "end a run after its current block, with a checkpoint"),
        ("kill", commands.control, "end a run's process at once"),
        ("delete", commands.control, "remove a run that does not train, and all its records"),
    ):
        _add(verbs, name, function, words).add_argument("run", type=int, metavar="RUN")
    _add_fork(verbs)
    extend = _add(verbs, "extend", commands.extend, "give a run a larger budget and go on")
    extend.add_argument("run", type=int, metavar="RUN")
    extend.add_argument("--steps", type=int, required=True, help="the new budget in steps")
    sql = _add(verbs, "sql", commands.sql, "answer one SELECT statement")
    sql.add_argument("query")
    sql.add_argument("--limit", type=int, default=10_000, help="most rows (default 10,000)")
    _add_export(verbs)
    upload = _add(verbs, "upload", uploading.upload, "check and keep data of your own")
    upload.add_argument("file", metavar="FILE", help="rows of fields, separated by commas or tabs")
    upload.add_argument(
        "--as",
        dest="kind",
        choices=("table", "triples"),
        default="table",
        help="a table whose last field is the answer (default), or head, relation, tail",
    )
    upload.add_argument("--header", action="store_true", help="the first line names the columns")
    serve = _add(verbs, "serve", commands.serve_home, "the daemon, in the foreground")
    serve.add_argument(
        "--listen",
        default="",
        metavar="ADDRESS",
        help="also grpc+unix://PATH or grpc+tls://HOST:PORT; who has the home's token may enter",
    )
    serve.add_argument("--certificate", default="", metavar="FILE", help="PEM, for grpc+tls")
    serve.add_argument("--key", default="", metavar="FILE", help="PEM, for grpc+tls")
    _add(verbs, "doctor", commands.doctor, "what is installed, which device, is the home healthy")
    measuring.add_arguments(
        _add(verbs, "bench", measuring.run, "measure the engine on this machine")
    )
    return root


def _add(verbs: Any, name: str, function: Command, words: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=words, description=words[0].upper() + words[1:] + ".")
    parser.set_defaults(function=function)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _add_run(verbs: Any) -> None:
    run = _add(verbs, "run", running.run, "launch a prepared experiment")
    run.add_argument("preset", metavar="PRESET")
    _add_set(run)
    run.add_argument("--seeds", type=int, default=1, metavar="N", help="runs with seeds s, s+1, …")
    run.add_argument("--name", default="", help="a name for the runs")
    run.add_argument(
        "--tag",
        action="append",
        default=[],
        dest="tags",
        metavar="TAG",
        help="a tag for the runs; may be repeated",
    )
    run.add_argument("--notes", default="", metavar="TEXT", help="notes on the runs")
    run.add_argument("--wait", action="store_true", help="wait for the end and print the results")


def _add_fork(verbs: Any) -> None:
    fork = _add(verbs, "fork", commands.fork, "a new run from a checkpoint, with other settings")
    fork.add_argument("run", type=int, metavar="RUN")
    fork.add_argument("--at", type=int, required=True, metavar="STEP", help="where to branch off")
    _add_set(fork)


def _add_export(verbs: Any) -> None:
    words = "write all points of runs to a file, or a run's network to a folder"
    export = _add(verbs, "export", exporting.export, words)
    export.add_argument("runs", type=int, nargs="+", metavar="RUN")
    export.add_argument(
        "--to",
        required=True,
        metavar="WHERE",
        help="FILE.{parquet,csv,json}, or for hf a folder that is new or empty",
    )
    export.add_argument(
        "--format",
        choices=("points", "hf"),
        default="points",
        help="points: all that was measured (default); hf: the network, for transformers",
    )
    export.add_argument(
        "--at",
        type=int,
        metavar="STEP",
        help="with hf: the checkpoint nearest to a step between the first and the last one; "
        "none: the latest",
    )


def _add_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="changes",
        metavar="section.key=value",
        help="change a setting; may be repeated",
    )
