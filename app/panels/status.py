"""How a run stands, in words and figures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.words import about, badge, count, duration, figure, pace, percent, plain, size
from engine import is_held_out

Run = Mapping[str, Any]
Row = dict[str, Any]

_ASKED = {"pause": "pausing", "stop": "stopping", "kill": "killing", "resume": "resuming"}


def heading(runs: Sequence[Run], asked: Mapping[int, str]) -> None:
    """State and phase; several runs are counted by state."""
    if len(runs) == 1:
        st.markdown(one_line(runs[0], asked.get(runs[0]["run_id"])))
        return
    states = Counter(str(run["state"]) for run in runs)
    badges = " ".join(f"{badge(state)} × {n}" for state, n in states.items())
    grokked = sum(run.get("grokked_step") is not None for run in runs)
    waiting = _asked_words(runs, asked)
    st.markdown(f"{badges} · **{grokked} of {len(runs)}** grokked{waiting}")


def _asked_words(runs: Sequence[Run], asked: Mapping[int, str]) -> str:
    verbs = Counter(asked[run["run_id"]] for run in runs if run["run_id"] in asked)
    return "".join(f" · {_ASKED.get(verb, verb)} {n}…" for verb, n in verbs.items())


def one_line(run: Run, asked: str | None = None) -> str:
    """`running · memorised, plateau for 4,210 steps`, or what is being waited for."""
    state = str(run["state"])
    step = f"last step {count(run['last_step'])}"
    reason = str(run.get("state_reason") or "")
    if asked in _ASKED and state in ("running", "starting", "queued", "paused", "lost"):
        words = f"{_ASKED[asked]}… {step}"
    elif state == "stopping":
        words = reason or f"stopping… {step}"
    elif state == "queued":
        words = reason or "waits for a free worker"
    elif state == "starting":
        words = reason or "the worker starts; the first point comes within seconds"
    elif state == "lost":
        words = f"{step}; {reason or 'its worker died; resume starts it again'}"
    else:
        # a full disk that a running one waits for, or how a stopped one ended
        told = reason if state != "failed" else ""  # told below, at length
        parts = [_phase(run), step if state == "paused" else "", told]
        words = "; ".join(part for part in parts if part)
    return f"{badge(state)} **{plain(words)}**"


def _phase(run: Run) -> str:
    """The phase; once a run has memorised, also of which of several held-out splits it is told."""
    phase = str(run.get("phase") or "")
    if run.get("memorised_step") is None or len(_held_out(run)) < 2:
        return phase
    return f"{phase} (on {run.get('test_split')})"


def _held_out(run: Run) -> dict[str, float]:
    """The latest accuracy on each held-out split, the one that stands for the run first."""
    latest: Mapping[str, float] = run.get("accuracies") or {}
    found = {split: value for split, value in latest.items() if is_held_out(split)}
    main = str(run.get("test_split"))
    return ({main: found.pop(main)} if main in found else {}) | found


def figures(runs: Sequence[Run]) -> None:
    """The numbers of one run on one line, or a table with a row for each run."""
    if len(runs) == 1:
        st.markdown(_figures_of(runs[0]))
        return
    head = "| run | seed | state | step | train | test | memorised | onset | grokked | steps/s |"
    rule = "|---|" + "---:|" * 9
    with st.expander("Figures of every run", key="figures-of-runs"):
        st.markdown("\n".join([head, rule, *(_table_row(run) for run in runs)]))


def _figures_of(run: Run) -> str:
    steps = f"step **{count(run['last_step'])}** of {count(run.get('budget'))}"
    tests = _held_out(run) or {"test": run.get("test_accuracy")}
    told = {"train": run.get("train_accuracy")} | tests
    accuracy = "accuracy " + ", ".join(
        f"{split} **{percent(value)}**" for split, value in told.items()
    )
    test = next(iter(tests))
    loss = f"loss train {figure(run.get('train_loss'))}, {test} {figure(run.get('test_loss'))}"
    parts = [steps, accuracy, loss]
    if run.get("delay") is not None:
        parts.append(f"delay **{count(run['delay'])}** steps")
    return " · ".join(parts)


def _table_row(run: Run) -> str:
    cells = [
        f"{run['run_id']} {plain(run.get('name') or '')}",
        str(run.get("seed")),
        str(run["state"]),
        count(run["last_step"]),
        percent(run.get("train_accuracy")),
        percent(run.get("test_accuracy")),
        count(run.get("memorised_step")),
        count(run.get("onset_step")),
        count(run.get("grokked_step")),
        pace(run["steps_per_second"]) if run.get("steps_per_second") else "–",
    ]
    return "| " + " | ".join(cells) + " |"


def system(runs: Sequence[Run]) -> None:
    """Rate, memory, device, time spent and time left."""
    st.caption(" · ".join(_system_parts(runs)) or "not trained yet")


def _system_parts(runs: Sequence[Run]) -> list[str]:
    running = [run for run in runs if run["state"] == "running"]
    rates = [run["steps_per_second"] for run in running or runs if run.get("steps_per_second")]
    parts: list[str] = []
    if rates:
        each = " each" if len(rates) > 1 else ""
        parts.append(f":material/speed: {pace(sum(rates) / len(rates))} steps/s{each}")
    memory = max((run.get("rss_bytes") or 0 for run in runs), default=0)
    if memory:
        parts.append(f"memory {size(memory)}")
    on_device = max((run.get("device_bytes") or 0 for run in runs), default=0)
    if on_device:
        parts.append(f"{size(on_device)} on the device")
    devices = sorted({str(run["device"]) for run in runs if run.get("device")})
    if devices:
        parts.append(f"device {', '.join(devices)}")
    threads = max((run.get("threads") or 1 for run in running), default=1)
    if threads > 1:
        parts.append(f"{threads} threads")
    trained = max(run.get("train_seconds") or 0 for run in runs)
    if trained:
        parts.append(f"trained for {duration(trained)}")
    left = [seconds for run in running if (seconds := seconds_left(run)) is not None]
    if left:
        parts.append(f"{about(max(left))} left in the budget")
    return parts


def seconds_left(run: Run) -> float | None:
    """Time to the end of the budget at the present rate; None where nothing is known."""
    rate, budget = run.get("steps_per_second"), run.get("budget")
    if not rate or not budget:
        return None
    return max(budget - run["last_step"], 0) / rate


def faults(runs: Sequence[Run], events: Sequence[Row]) -> None:
    """Why runs failed or were lost: the reason first, the traceback folded."""
    for run in runs:
        if run["state"] != "failed":
            continue
        reason = plain(run.get("state_reason") or "no reason was told")
        st.error(
            f"**Run {run['run_id']} failed:** {reason}",
            icon=":material/error:",
        )
        told = [
            event["payload"]["traceback"]
            for event in events
            if event["run_id"] == run["run_id"] and event.get("payload", {}).get("traceback")
        ]
        if told:
            with st.expander("Traceback", key=f"traceback-{run['run_id']}"):
                st.code(told[-1], language="python", wrap_lines=True)
