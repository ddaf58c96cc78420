"""How fast one run trains: the engine beside the peers' loops and what the machine can do."""

from collections.abc import Mapping
from typing import Any

import torch

from engine.bench.machine import pick
from engine.bench.options import Options, chosen
from engine.bench.progress import say
from engine.bench.training.arithmetic import (
    Product,
    naive_flops,
    needed_flops,
    own_product,
    precisions,
    square,
)
from engine.bench.training.arms import EAGER, PEERS, WORDS, Contender, Contest
from engine.bench.training.rounds import Rates, alternate, rounded
from engine.bench.training.settings import COMPARED, SETTINGS, Setting

Row = dict[str, Any]


def throughput(options: Options) -> list[Row]:
    """One row for each arm of each setting; ratios are of rounds in which both took turns.

    Raises:
        SettingsError: for a setting or an arm that does not exist.
    """
    chosen(options.arms, list(WORDS), what="arm")
    chosen(options.settings, list(SETTINGS), what="setting")
    torch.set_num_threads(options.threads)
    rows: list[Row] = []
    for name in chosen(options.settings or COMPARED, list(SETTINGS), what="setting"):
        rows += _setting(name, SETTINGS[name], options)
    return rows


def matmul(options: Options) -> list[Row]:
    """How fast the machine multiplies: square matrices, and each setting's own largest product."""
    torch.set_num_threads(options.threads)
    device = pick(options.device)
    products = {"square": square(device)} | {
        name: own_product(SETTINGS[name].config)
        for name in chosen(options.settings, list(SETTINGS), what="setting")
    }
    arms = {
        f"{name} {precision}": product.arm(precision, device)
        for name, product in products.items()
        for precision in precisions(device)
    }
    say(f"matmul: {len(arms)} products")
    rates = alternate(arms, seconds=options.seconds, rounds=options.rounds)
    return [
        {
            "product": name,
            "shape": f"{product.m} × {product.k} × {product.n}",
            "precision": precision,
            "gflops": rounded(rates[f"{name} {precision}"].per_second * product.flops / 1e9),
            "spread": round(rates[f"{name} {precision}"].spread, 3),
        }
        for name, product in products.items()
        for precision in precisions(device)
    ]


def _setting(name: str, setting: Setting, options: Options) -> list[Row]:
    device = pick(options.device)
    contest = Contest(setting, device=device, threads=options.threads)
    names = contest.names(options.arms)
    say(f"throughput: {name}, {len(names)} arms, {options.rounds} rounds")
    contenders = {arm: contest.contender(arm) for arm in names}
    same_network(contenders)
    used = {c.precision for c in contenders.values() if c.arm}
    products = {"square": square(device), "own": own_product(contest.config)}
    arms = {arm: each.arm for arm, each in contenders.items() if each.arm} | {
        f"{which} {precision}": product.arm(precision, device)
        for which, product in products.items()
        for precision in sorted(used)
    }
    rates = alternate(arms, seconds=options.seconds, rounds=options.rounds)
    return [
        {"setting": name, "arm": arm}
        | _figures(each, rates, arm=arm, contest=contest, products=products)
        for arm, each in contenders.items()
    ]


def same_network(contenders: Mapping[str, Contender]) -> None:
    """All that were built train the same number of parameters."""
    counts = {each.n_parameters for each in contenders.values() if each.n_parameters}
    assert len(counts) <= 1, f"the arms train networks of different sizes: {counts}"


def _figures(
    contender: Contender,
    rates: Mapping[str, Rates],
    *,
    arm: str,
    contest: Contest,
    products: Mapping[str, Product],
) -> Row:
    if contender.arm is None:
        return dict.fromkeys(FIGURES) | {"note": contender.note}
    own, precision = rates[arm], contender.precision
    peers, eager = rates.get(PEERS), rates.get(EAGER)
    needed, naive = needed_flops(contest.config), naive_flops(contest.config)
    multiplied = {
        which: Rates(
            1,
            [product.flops * each for each in rates[f"{which} {precision}"].wall],
            [product.flops * each for each in rates[f"{which} {precision}"].cpu],
        )
        for which, product in products.items()
    }
    return dict.fromkeys(FIGURES) | {
        "steps_per_second": rounded(own.per_second),
        "spread": round(own.spread, 3),
        "steps_per_cpu_second": rounded(own.per_cpu_second),
        "times_peers": _ratio(own, peers),
        "times_peers_by_cpu": _ratio(own, peers, by_cpu=True),
        "times_eager": _ratio(own, eager),
        "times_eager_by_cpu": _ratio(own, eager, by_cpu=True),
        "needed_gflops": rounded(own.per_second * needed / 1e9),
        "utilisation": rounded(own.times(multiplied["square"]) * needed),
        "naive_utilisation": rounded(own.times(multiplied["square"]) * naive),
        "own_shape_utilisation": rounded(own.times(multiplied["own"]) * needed),
        "matmul_gflops": rounded(multiplied["square"].per_second / 1e9),
        "parameters": contender.n_parameters,
        "loss_after": None if contender.loss_after is None else round(contender.loss_after, 4),
        "probe_steps": contest.setting.probe_steps,
        "rounds": len(own.wall),
        "steps_a_round": own.n_steps,
        "note": contender.note,
    }


FIGURES = (
    "steps_per_second",
    "spread",
    "steps_per_cpu_second",
    "times_peers",
    "times_peers_by_cpu",
    "times_eager",
    "times_eager_by_cpu",
    "needed_gflops",
    "utilisation",
    "naive_utilisation",
    "own_shape_utilisation",
    "matmul_gflops",
    "parameters",
    "loss_after",
    "probe_steps",
    "rounds",
    "steps_a_round",
    "note",
)
"""What is said of an arm; utilisations are shares of the product's rate in the same arithmetic."""


def _ratio(own: Rates, other: Rates | None, *, by_cpu: bool = False) -> float | None:
    if other is None:
        return None
    return rounded(own.times_by_cpu(other) if by_cpu else own.times(other))
