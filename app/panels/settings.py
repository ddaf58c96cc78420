"""With which settings were the runs trained? To be read, saved, and launched again."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import session
from app.forms.draft import Draft, changes_between
from app.links import text_of
from app.words import plain
from engine import PRESETS, LabError, RunConfig, parse_config

Run = Mapping[str, Any]
LAUNCH = "views/launch.py"


def panel(runs: Sequence[Run]) -> None:
    """Folded: what one run was told, or in what several differ."""
    with st.expander("Settings", key="settings-of-runs"):
        if len(runs) > 1:
            _differences(runs)
        run = runs[0]
        try:
            config = parse_config(run["config"])
        except LabError as error:
            # an older lab's run may hold what this one no longer knows
            st.warning(plain(error), icon=":material/error:")
            return
        preset, changes = nearest_preset(config)
        if len(runs) == 1:
            st.code("\n".join(lines_of(run)), language="toml")
        number = f"run {run['run_id']}"
        with st.container(horizontal=True, gap="small"):
            if st.button("Launch again…", icon=":material/replay:", key="launch-again"):
                _fill_form(preset, changes)
                st.switch_page(LAUNCH)
            st.download_button(
                "Save as JSON",
                json.dumps(config.model_dump(mode="json"), indent=2),
                f"grokking-run-{run['run_id']}.json",
                "application/json",
                key="settings-json",
                on_click="ignore",
            )
        st.caption(f"Both take the settings of {number}; the form can change them first.")


def lines_of(run: Run) -> list[str]:
    """Every setting as `section.key = value`, in the words of `--set`."""
    return [f"{name} = {text_of(value)}" for name, value in _by_full_name(run).items()]


def differing(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """The settings that are not the same in all runs, with the value in each."""
    each = [_by_full_name(run) for run in runs]
    names = dict.fromkeys(name for settings in each for name in settings)
    values = {name: [settings.get(name) for settings in each] for name in names}
    return {name: told for name, told in values.items() if any(v != told[0] for v in told)}


def nearest_preset(config: RunConfig) -> tuple[str, dict[str, Any]]:
    """The preset that differs in the fewest settings, and in which."""
    every = {name: changes_between(preset.config, config) for name, preset in PRESETS.items()}
    name = min(every, key=lambda name: len(every[name]))
    return name, every[name]


def _by_full_name(run: Run) -> dict[str, Any]:
    return {
        f"{section}.{name}": value
        for section, settings in run["config"].items()
        for name, value in settings.items()
    }


def _differences(runs: Sequence[Run]) -> None:
    found = differing(runs)
    if not found:
        st.caption("All runs on view have the same settings.")
        return
    rows = [
        {"run": str(run["run_id"])} | {name: str(told[i]) for name, told in found.items()}
        for i, run in enumerate(runs)
    ]
    st.caption("In these settings the runs on view differ:")
    st.dataframe(rows, hide_index=True)


def _fill_form(preset: str, changes: dict[str, Any]) -> None:
    before: Draft | None = session.recall("draft", None)
    generation = before.generation + 1 if before else 0
    draft = Draft(preset, PRESETS[preset].config, dict(changes), generation)
    session.remember("draft", draft)
