"""Where a run stands is judged from what lies in its folder."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import psutil
import pytest

from VQSegLib.errors import ProjectError
from VQSegLib.leftovers import machine_key
from VQSegLib.runs.documents import RunResult, RunSpec, RunState, RunStatus
from VQSegLib.runs.folder import RunFolder, find_run, find_runs
from VQSegLib.training.events import EventLog

OWN_START = psutil.Process().create_time()


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return make_run(tmp_path, "run-1", "2026-01-01T00:00:00+00:00")


def make_run(project: Path, run_id: str, created: str) -> RunFolder:
    folder = RunFolder(project / "runs" / run_id)
    folder.path.mkdir(parents=True)
    values = {"run_id": run_id, "created": created, "name": "m", "preset": "quick", "method": "vqseg"}
    folder.write(RunSpec(**values, parent_id=None, labeled=1, unlabeled=0, held_out=0, promotes=True))
    return folder


def beat(run: RunFolder, **changes: object) -> None:
    values = {"machine": machine_key(), "pid": os.getpid(), "started": OWN_START, "updated": time.time()}
    run.write(RunStatus.model_validate({**values, "stage": "Training", "step": 3, "steps": 9, **changes}))


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, RunState.RUNNING),
        ({"started": OWN_START - 1000}, RunState.INTERRUPTED),
        ({"is_paused": True}, RunState.PAUSED),
        ({"machine": "elsewhere"}, RunState.RUNNING),
        ({"machine": "elsewhere", "updated": time.time() - 1000}, RunState.INTERRUPTED),
    ],
    ids=["alive", "its number went to another process", "paused", "on another machine", "silent on another machine"],
)
def test_a_run_is_under_way_only_while_its_own_process_lives(
    run: RunFolder, changes: dict[str, object], state: RunState
) -> None:
    beat(run, **changes)
    summary = run.summarize()
    assert (summary.state, summary.step, summary.steps) == (state, 3, 9)
    assert summary.stage


def test_a_run_that_never_said_anything_was_interrupted(run: RunFolder) -> None:
    assert run.summarize().state == RunState.INTERRUPTED


def test_a_result_tells_how_it_ended(run: RunFolder) -> None:
    beat(run, pid=1, started=0)
    run.write(RunResult(state=RunState.FAILED, ended="2026", sentence="No space."))
    summary = run.summarize()
    assert (summary.state, summary.stage) == (RunState.FAILED, "No space.")
    run.clear_for_resume()
    assert run.summarize().state == RunState.INTERRUPTED


def test_events_are_told_once_and_again_after_an_interruption(run: RunFolder) -> None:
    log = EventLog(run.path)
    for step in (1, 2, 3):
        log.write("step", step, {})
    assert run.events() == (
        [{"event": "step", "step": 1}, {"event": "step", "step": 2}, {"event": "step", "step": 3}],
        3,
    )
    assert run.events(2) == ([{"event": "step", "step": 3}], 3)
    assert run.events(3) == ([], 3)
    EventLog(run.path, 1)
    assert run.events(3) == ([{"event": "step", "step": 1}], 1)


def test_stopping_asks_the_process_and_what_is_over_cannot_be_stopped(run: RunFolder) -> None:
    beat(run)
    run.ask_to_stop(is_for_good=False)
    assert run.asked_to_stop() == "pause"
    beat(run, is_paused=True)
    with pytest.raises(ProjectError, match="is paused, so there is nothing to stop"):
        run.ask_to_stop(is_for_good=False)
    (run.path / "cache").mkdir()
    (run.path / "state.pt").write_bytes(b"x")
    run.ask_to_stop(is_for_good=True)
    assert run.summarize().state == RunState.STOPPED
    assert sorted(path.name for path in run.path.iterdir()) == ["result.json", "spec.json", "status.json"]
    with pytest.raises(ProjectError, match="is stopped"):
        run.ask_to_stop(is_for_good=True)


def test_runs_are_listed_in_the_order_they_began(tmp_path: Path) -> None:
    make_run(tmp_path, "run-b", "2026-01-01T00:00:00+00:00")
    make_run(tmp_path, "run-a", "2026-01-02T00:00:00+00:00")
    (tmp_path / "runs" / "run-of-train").mkdir()
    assert [run.path.name for run in find_runs(tmp_path)] == ["run-b", "run-a"]
    assert find_run(tmp_path, "latest").path.name == "run-a"
    with pytest.raises(ProjectError, match="has no run 'run-c'; it has: run-b, run-a"):
        find_run(tmp_path, "run-c")


def test_a_damaged_run_is_told(run: RunFolder) -> None:
    (run.path / "spec.json").write_text(json.dumps({"run_id": 1}), encoding="utf-8")
    with pytest.raises(ProjectError, match=r"spec\.json"):
        run.summarize()
    with pytest.raises(ProjectError, match="is no run"):
        _ = RunFolder(run.path.parent).spec
