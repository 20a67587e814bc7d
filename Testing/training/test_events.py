"""The event log."""

from __future__ import annotations

import json
import math
from pathlib import Path

from VQSegLib.training.events import EVENTS_FILE, EventLog, read_events


def test_events_are_lines_of_json_in_order(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    log.write("step", 10, {"loss/total": 1.5})
    log.write("validation", 10, {"dice": math.nan, "dice_per_label": {"Köpfe": 0.5}})
    lines = (tmp_path / EVENTS_FILE).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == read_events(tmp_path)
    assert read_events(tmp_path) == [
        {"event": "step", "step": 10, "loss/total": 1.5},
        {"event": "validation", "step": 10, "dice": None, "dice_per_label": {"Köpfe": 0.5}},
    ]


def test_a_resumed_run_drops_the_events_it_will_write_again(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    for step in (10, 20, 30):
        log.write("step", step, {})
    assert [event["step"] for event in read_events(tmp_path)] == [10, 20, 30]
    EventLog(tmp_path, 20)
    assert [event["step"] for event in read_events(tmp_path)] == [10, 20]
    EventLog(tmp_path)
    assert read_events(tmp_path) == []


def test_a_line_cut_short_by_a_crash_is_left_out(tmp_path: Path) -> None:
    EventLog(tmp_path).write("step", 1, {"lr": 0.1})
    with (tmp_path / EVENTS_FILE).open("a", encoding="utf-8") as file:
        file.write('{"event": "step", "st')
    assert [event["step"] for event in read_events(tmp_path)] == [1]
    EventLog(tmp_path, 5).write("step", 2, {})
    assert [event["step"] for event in read_events(tmp_path)] == [1, 2]


def test_a_run_without_events_has_none(tmp_path: Path) -> None:
    assert read_events(tmp_path) == []
