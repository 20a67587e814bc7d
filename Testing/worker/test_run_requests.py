"""Requests about runs and models, without a process; ``runs/test_story.py`` has the processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from VQSegLib.project.folder import Project
from VQSegLib.runs.folder import find_run
from VQSegLib.service import Service
from VQSegLib.training.events import EventLog
from VQSegLib.wire import Failure, Request, Result
from VQSegLib.worker.job import Job
from VQSegLib.worker.run_requests import RunRequests

SETTINGS = ["data.patch_size=[16,16]", "max_steps=90"]


@pytest.fixture
def ask(project: Project) -> Any:
    """Ask as the worker's threads do and return the answer."""
    requests = RunRequests(Service())

    def run(method: str, **params: Any) -> Any:
        asked = {"project": str(project.path), **params}
        if method in requests.quick:
            return requests.quick[method](asked)
        sent: list[Any] = []
        job = Job(Request(1, method, asked), sent.append)
        job.succeed(requests.background[method](asked)(job))
        (answer,) = [message for message in sent if isinstance(message, Result | Failure)]
        assert isinstance(answer, Result), answer
        return answer.result

    return run


def test_a_run_is_planned_started_watched_and_stopped(ask: Any, project: Project) -> None:
    plan = ask("runs/plan", settings=SETTINGS)
    assert (plan["problem"], plan["labeled"], plan["presets"][0]["seconds"]) == (None, 1, None)
    assert ask("runs/plan", settings=SETTINGS, measure=True)["presets"][0]["seconds"] > 0
    started = ask("runs/start", settings=SETTINGS, preset="quick", name="better", promotes=False, annotator_id="Ö")
    spec = started["run"]["spec"]
    assert (spec["name"], spec["promotes"], spec["asked_by"], spec["preset"]) == ("better", False, "Ö", "quick")
    assert any("you will decide" in note for note in started["notes"])
    assert "is under way" in ask("runs/plan")["problem"]
    run = find_run(project.path, "latest")
    log = EventLog(run.path)
    for step in (1, 2, 3):
        log.write("step", step, {"loss/total": 1 / step})
    shown = ask("runs/show", run="latest", first_event=1)
    assert [event["step"] for event in shown["events"]] == [2, 3]
    assert (shown["first_event"], shown["next_event"], shown["run"]["state"]) == (1, 3, "running")
    assert ask("runs/show", run="latest", first_event=3)["events"] == []
    (run.path / "log.txt").write_text("one\ntwo\nthree\n", encoding="utf-8")
    assert ask("runs/show", run="latest", log_lines=2)["log"] == ["two", "three"]
    assert "log" not in shown
    EventLog(run.path, 1)
    again = ask("runs/show", run="latest", first_event=3)
    assert (again["first_event"], [event["step"] for event in again["events"]]) == (0, [1])
    assert ask("runs/stop", run="latest")["run"]["run_id"] == run.path.name
    assert run.asked_to_stop() == "pause"
    status = run.status
    assert status is not None
    run.write(status.model_copy(update={"is_paused": True}))
    assert ask("runs/list")["runs"][0]["state"] == "paused"
    assert ask("runs/resume", run="latest")["run"]["state"] == "running"
    assert ask("runs/stop", run="latest", for_good=True)
    assert run.asked_to_stop() == "stop"


def test_models_are_listed_exported_and_rolled_back(ask: Any, project: Project, tmp_path: Path) -> None:
    shelf = ask("models/shelf")
    (model,) = shelf["models"]
    assert (model["name"], model["is_in_use"], shelf["can_roll_back"]) == ("tiny", True, True)
    compared = ask("models/compare", new=model["id"])["comparison"]
    assert compared["verdict"] == "undecided"
    output = tmp_path / "out.safetensors"
    assert ask("models/export", model=model["id"], output=str(output)) == {"output": str(output)}
    back = ask("models/rollback", annotator_id="Ö", reason="test")
    assert (back["active_model"], back["can_roll_back"], back["history"][-1]["decided_by"]) == (None, False, "Ö")
    assert ask("models/promote", model=model["id"])["is_promoted"]
    assert project.models.active_path() == project.models.path(model["id"])
