"""``vqseg runs`` in words and as JSON; the process of the run stands still here."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from VQSegLib.project.folder import Project
from VQSegLib.runs.documents import RunResult, RunState
from VQSegLib.runs.folder import RunFolder, find_run
from VQSegLib.training.events import EventLog

SETTINGS = ("--set", "data.patch_size=[16,16]", "--set", "max_steps=90")


@pytest.fixture
def begun(project: Project, run_cli: Any) -> RunFolder:
    started = run_cli("runs", "start", project.path, *SETTINGS, "--annotator", "Ö", "--json")
    assert started.returncode == 0, started.stderr
    assert "labeled scans only" in started.stderr
    return find_run(project.path, json.loads(started.stdout)["run_id"])


def end(run: RunFolder, state: RunState) -> None:
    """Let the process of a run be gone."""
    status = run.status
    assert status is not None
    run.write(status.model_copy(update={"started": 0.0}))
    run.write(RunResult(state=state, ended="2026", sentence="That was all."))


def test_a_plan_tells_what_is_used_and_how_long_each_preset_takes(run_cli: Any, project: Project) -> None:
    plan = run_cli("runs", "plan", project.path, "--set", "data.patch_size=[16,16]")
    lines = plan.stdout.splitlines()
    assert lines[0] == "1 labeled, 0 unlabeled, 0 held out; method vqseg"
    assert [line.split()[0] for line in lines[1:4]] == ["quick", "standard", "thorough"]
    assert all("about" in line for line in lines[1:4])
    as_json = json.loads(run_cli("runs", "plan", project.path, "--set", "data.patch_size=[16,16]", "--json").stdout)
    assert as_json["presets"][1]["steps"] == 1000


def test_a_plan_that_cannot_be_carried_out_says_why(run_cli: Any, assert_mistake: Any, project: Project) -> None:
    project.models.roll_back()
    assert_mistake(run_cli("runs", "plan", project.path), "No model is in use")
    assert_mistake(run_cli("runs", "start", project.path, "--parent", "nonsense"), "There is no model 'nonsense'")


def test_a_started_run_is_listed_and_shown(run_cli: Any, project: Project, begun: RunFolder) -> None:
    name = begun.path.name
    assert run_cli("runs", "list", project.path).stdout.startswith(f"{name}  20")
    assert json.loads(run_cli("runs", "list", project.path, "--json").stdout)[0]["spec"]["asked_by"] == "Ö"
    EventLog(begun.path).write("step", 10, {"loss/total": 0.5})
    shown = run_cli("runs", "show", project.path, "latest").stdout.splitlines()
    assert f"{name}  " in shown[0]
    assert "running, step 0 of 90: Starting" in shown[0]
    assert shown[1] == "step 10: loss/total 0.5"
    assert json.loads(run_cli("runs", "show", project.path, name, "--json").stdout)["events"][0]["step"] == 10


def test_no_runs_is_said(run_cli: Any, project: Project, assert_mistake: Any) -> None:
    assert run_cli("runs", "list", project.path).stdout == "No runs.\n"
    assert_mistake(run_cli("runs", "show", project.path, "latest"), "has no run 'latest'; it has: none")


def test_watching_shows_events_as_they_come_and_ends_with_the_run(
    run_cli: Any, project: Project, begun: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = EventLog(begun.path)
    log.write("step", 10, {"loss/total": 0.5})

    def sleep(_seconds: float) -> None:
        log.write("validation", 20, {"dice": 0.25})
        end(begun, RunState.FINISHED)

    monkeypatch.setattr(time, "sleep", sleep)
    watched = run_cli("runs", "watch", project.path, "latest").stdout.splitlines()
    assert watched == ["step 10: loss/total 0.5", "Starting", "validation 20: dice 0.25", "That was all."]
    as_json = run_cli("runs", "watch", project.path, "latest", "--json").stdout.splitlines()
    assert [json.loads(line).get("event") for line in as_json] == ["step", "validation", None]


def test_a_run_is_paused_resumed_and_stopped_for_good(
    run_cli: Any, assert_mistake: Any, project: Project, begun: RunFolder
) -> None:
    assert "asked to pause" in run_cli("runs", "stop", project.path, "latest").stdout
    assert begun.asked_to_stop() == "pause"
    assert_mistake(run_cli("runs", "resume", project.path, "latest"), "is running and cannot be resumed")
    end(begun, RunState.FAILED)
    assert "goes on at step 0 of 90" in run_cli("runs", "resume", project.path, "latest").stdout
    assert begun.asked_to_stop() is None
    assert "asked to stop" in run_cli("runs", "stop", project.path, "latest", "--for-good").stdout
    end(begun, RunState.STOPPED)
    assert_mistake(run_cli("runs", "resume", project.path, "latest"), "is stopped and cannot be resumed")
