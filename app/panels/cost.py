"""What a run will cost, and what differs from the preset: the pane beside the form."""

import streamlit as st

from app.forms.fields import shown
from app.words import count, duration, pace, percent, plain, size
from engine import Lab, LabError, RunConfig, differences


def cost(lab: Lab, config: RunConfig, seeds: int) -> bool:
    """Predicted size, memory, rate and duration of a launch; whether it can be had here."""
    try:
        predicted = lab.estimate(config, seeds=seeds)
    except LabError as error:
        st.error(plain(error), icon=":material/error:")
        return False
    rate, seconds = predicted["steps_per_second"], predicted["seconds"]
    probes = predicted.get("probes")
    lines = [
        f"**{count(predicted.get('examples'))}** examples: "
        f"{count(predicted.get('train'))} to train on, {count(predicted.get('test'))} held out"
        + (f", and {count(probes)} probes of facts that are trained on" if probes else ""),
        f"**{count(predicted.get('parameters'))}** parameters, "
        f"about {size(predicted.get('memory_bytes'))} of memory, "
        f"{predicted.get('flops_per_step', 0) / 1e9:.3g} GFLOP a step",
        f"chance level {percent(predicted.get('chance'))}, "
        f"{count(predicted.get('vocabulary'))} tokens, rows of {count(predicted.get('length'))}",
    ]
    if predicted.get("largest_phi") is not None:
        lines.append(f"phi can be at most {predicted['largest_phi']:g} with these settings")
    source = plain(predicted.get("source") or "")
    each = " each" if seeds > 1 else ""
    lines.append(
        f"about **{pace(rate)}** steps/s{each} ({source}): **{duration(seconds)}** for the budget"
    )
    if seeds > 1:
        lines.append(f"{seeds} seeds train at once, spread over the free workers")
    st.markdown("\n".join(f"- {line}" for line in lines))
    _warn_of_memory(predicted.get("memory_bytes"), predicted.get("room_bytes"))
    return True


def _warn_of_memory(needed: int | None, room: int | None) -> None:
    if needed is None or room is None or needed <= room:
        return
    st.warning(
        f"This needs about {size(needed)} of memory, and there are at most {size(room)} to have:"
        " launched like this, it waits and never starts."
        " Lower the batch size, or raise accumulate.",
        icon=":material/memory:",
    )


def changes(config: RunConfig, base: RunConfig, preset: str) -> None:
    """The settings in which the form differs from its preset."""
    found = differences(config, base)
    if not found:
        st.caption(f"Nothing differs from {plain(preset)}.")
        return
    st.caption(f"Differs from {plain(preset)}:")
    rows = [
        f"- `{dotted}` {plain(shown(before) or 'empty')} → **{plain(shown(after) or 'empty')}**"
        for dotted, before, after in found
    ]
    st.markdown("\n".join(rows))
