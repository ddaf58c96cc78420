"""What shall be trained? Presets, the form, its cost, and the button."""

import json

import streamlit as st

from app import links, session
from app.forms import form, uploading
from app.forms.draft import Draft, changes_between
from app.live import components
from app.panels import cost, example, presets, queue
from app.words import plain
from engine import MOST_SEEDS, PRESETS, LabError, RunConfig, parse_json

LIVE = "views/live.py"


def main() -> None:
    """Draw the page."""
    st.title("Launch an experiment")
    draft = _draft()
    clicked = presets.cards(draft.preset)
    if clicked:
        draft = _start(clicked, draft.generation + 1)
        st.rerun()
    left, right = st.columns([3, 2], gap="large")
    uploading.forget()
    with left:
        slots = form.draw(draft)
    config, problems = draft.check()
    homeless = form.tell(slots, problems)
    with right:
        _pane(draft, config, list(problems.values()), homeless=homeless)
    components.ahead()


def _draft() -> Draft:
    kept: Draft | None = session.recall("draft", None)
    if kept is not None:
        return kept
    draft = _start(links.text("preset", next(iter(PRESETS))), 0)
    draft.changes.update(links.settings())
    return draft


def _start(preset: str, generation: int) -> Draft:
    if preset not in PRESETS:
        known = ", ".join(PRESETS)
        st.warning(f"No preset is called {plain(preset)}; there are: {plain(known)}.")
        preset = next(iter(PRESETS))
    draft = Draft(preset, PRESETS[preset].config, generation=generation)
    session.remember("draft", draft)
    return draft


def _pane(
    draft: Draft, config: RunConfig | None, problems: list[str], *, homeless: list[str]
) -> None:
    with st.container(border=True):
        st.markdown("**This launch**")
        seeds = st.number_input(
            "number of seeds",
            min_value=1,
            value=max(session.widget("n-seeds") or links.whole("seeds") or 1, 1),
            key="n-seeds",
            help="Runs that differ in their seed alone: seed, seed + 1, … They train together.",
        )
        name = st.text_input(
            "name",
            value=links.text("name"),
            max_chars=120,
            key="run-name",
            placeholder=draft.preset,
            help="Left empty it is the preset's, as on the command line.",
        )
        tags, notes = _described()
        for sentence in homeless:
            st.error(plain(sentence), icon=":material/error:")
        possible = False
        if config is not None:
            # what cannot be had is told once: its rows could not be drawn either
            possible = cost.cost(session.lab(), config, min(seeds, MOST_SEEDS))
            possible = possible and example.example(session.lab(), config)
            cost.changes(config, draft.base, draft.preset)
        else:
            st.warning(_to_mend([p for p in problems if p not in homeless]))
        if seeds > MOST_SEEDS:
            possible = False
            st.error(
                f"The number of seeds must lie between 1 and {MOST_SEEDS}, got {seeds:,}; launch"
                " the others by themselves, from a later seed.",
                icon=":material/error:",
            )
        if uploading.refused():
            possible = False
            st.error(
                "The file that was uploaded last cannot be used: mend it, or take it out of its"
                " field to go on with the data that is chosen there.",
                icon=":material/error:",
            )
        if st.button(
            "Launch" if seeds == 1 else f"Launch {seeds} runs",
            type="primary",
            icon=":material/play_arrow:",
            disabled=not possible,
            width="stretch",
            key="launch",
        ):
            assert config is not None  # the button is disabled otherwise
            called = name or draft.preset
            runs = session.lab().launch(config, name=called, seeds=seeds, tags=tags, notes=notes)
            st.switch_page(LIVE, query_params=links.of_runs(runs))
    queue.strip()
    _elsewhere(draft, config, command=draft.command(seeds, name, tags=tags, notes=notes.strip()))
    links.put_settings(
        draft.changes,
        preset=draft.preset,
        seeds=seeds if seeds > 1 else None,
        name=name,
        tags=",".join(tags),
    )


def _to_mend(problems: list[str]) -> str:
    """What keeps the form from being launched; its field may be folded away."""
    if not problems:
        return "This has to be mended before anything can be launched."
    listed = "\n".join(f"- {plain(problem)}" for problem in problems)
    return f"To be mended before this can be launched:\n\n{listed}"


def _described() -> tuple[list[str], str]:
    """Tags and notes, folded: few launches need them, and the button should be in sight."""
    linked = session.recall("linked-tags", _tags_of(links.text("tags")))
    with st.expander("Tags and notes", expanded=bool(linked), key="described"):
        tags = st.multiselect(
            "tags",
            options=linked,
            default=linked,
            accept_new_options=True,
            key="run-tags",
        )
        notes = st.text_area("notes", key="run-notes", max_chars=4000, height=68)
    return tags, notes


def _tags_of(text: str) -> list[str]:
    return [tag.strip()[:60] for tag in text.split(",") if tag.strip()][:20]


def _elsewhere(draft: Draft, config: RunConfig | None, *, command: str) -> None:
    with st.expander("The same on the command line, as JSON, from JSON", key="elsewhere"):
        st.caption("Command line")
        st.code(command, language="bash", wrap_lines=True)
        if config is not None:
            text = json.dumps(config.model_dump(mode="json"), indent=2)
            st.download_button(
                "Save as JSON", text, "grokking-run.json", "application/json", on_click="ignore"
            )
        st.caption(
            "The address of this page holds all of it but the notes: copy it to share the form."
        )
        pasted = st.text_area(
            "configuration as JSON",
            key="pasted",
            height=90,
            placeholder='{"task": {"p": 97}}',
            help="All of it or a part: settings that it does not name stay as they are.",
        )
        uploaded = st.file_uploader("or a file", type="json", key="uploaded", max_upload_size=1)
        if st.button("Take these settings", key="take-json"):
            _take(draft, uploaded.getvalue() if uploaded else pasted.encode())


def _take(draft: Draft, text: bytes) -> None:
    try:
        config = parse_json(text.decode(errors="replace"), over=draft.tree())
    except LabError as error:
        st.error(plain(error), icon=":material/error:")
        return
    draft.changes = changes_between(draft.base, config)
    draft.generation += 1
    st.rerun()


main()
