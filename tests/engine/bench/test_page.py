"""The page of figures shows what is in docs/measured, and nothing else."""

import json
from pathlib import Path

from engine.bench.page import BEGIN, DEVICES, END, MEASURED, PAGE, tables, write_page
from engine.bench.report import read
from engine.bench.table import table


def test_the_page_shows_what_was_measured():
    shown = PAGE.read_text().split(BEGIN)[1].split(END)[0]
    assert shown.strip() == tables().strip(), "run python -m engine bench --page"


def test_figures_of_a_device_stand_under_their_own_device():
    for device in DEVICES:
        for taken in read(MEASURED / f"{device}.json").values():
            assert taken["machine"]["device"] == device


def test_a_page_keeps_what_is_written_by_hand_and_shows_a_devices_figures(tmp_path: Path):
    page = tmp_path / "performance.md"
    page.write_text(f"by hand\n{BEGIN}\nold\n{END}\nby hand too\n")
    taken = {
        "machine": {
            "device": "cuda",
            "device_name": "H200",
            "cpu": "Xeon",
            "cores": 16,
            "date": "2026-11-20 10:00",
            "load": 0.2,
            "torch": "2.13.0",
        },
        "options": {"threads": 1, "rounds": 3, "seconds": 4.0},
        "rows": [{"setting": "nanda", "arm": "peers", "steps_per_second": 277.4}],
    }
    (tmp_path / "cuda.json").write_text(json.dumps({"throughput": taken}))
    write_page(page, tmp_path)
    text = page.read_text()
    assert text.startswith("by hand\n")
    assert text.endswith("\nby hand too\n")
    assert "old" not in text
    cpu, cuda = text.split("### A CUDA device")
    assert "Not measured yet." in cpu
    assert "| nanda   | peers |     277 |" in cuda
    assert "H200; Xeon, 16 cores" in cuda
    assert "torch 2.13.0; 2026-11-20 10:00 UTC, load 0.2" in cuda


def test_a_table_leaves_out_columns_without_a_figure_and_marks_missing_ones():
    rows = [
        {"setting": "a", "steps_per_second": 1234.5, "spread": 0.031, "note": ""},
        {"setting": "b", "steps_per_second": None, "spread": None, "note": ""},
    ]
    assert table("throughput", rows).splitlines() == [
        "| setting | steps/s | spread |",
        "| ------- | ------: | -----: |",
        "| a       |   1,234 |  3.1 % |",
        "| b       |       – |      – |",
    ]
