"""A run in a process of its own: it outlives whoever started it, pauses, dies, goes on and takes the same course."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from VQSegLib.project.folder import Project
from VQSegLib.runs.documents import RunState, RunSummary
from VQSegLib.runs.folder import find_run
from VQSegLib.service import Service
from VQSegLib.training import trainer as trainer_module
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.trainer import Trainer

SETTINGS = ("max_steps=60", "validation_interval=20", "log_interval=1", "data.workers=0", "device.threads=1")
Run = Callable[..., subprocess.CompletedProcess[str]]


def show(project: Project) -> RunSummary:
    return find_run(project.path, "latest").summarize()


def losses(events: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(event["step"], event["loss/total"]) for event in events if event["event"] == "step"]


def train_without_interruption(project: Project, folder: Path, copy: Path) -> list[dict[str, object]]:
    """Take the course of a run once more, in this process and in one go."""
    copy.mkdir(parents=True)
    shutil.copytree(project.path / "models", copy.parent.parent / "models")
    for name in ("config.json", "cases.json"):
        shutil.copy(folder / name, copy / name)
    config = TrainingConfig.model_validate_json((copy / "config.json").read_bytes())
    Trainer(project, config, copy, resume=True).run()
    return [json.loads(line) for line in (copy / "events.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_run_outlives_its_starter_pauses_is_killed_and_goes_on_as_if_nothing_had_been(
    project: Project,
    parent: Path,
    run_process: Run,
    wait_until: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    started = run_process("runs", "start", project.path, "--parent", parent, "--json", *settings)
    assert started.returncode == 0, started.stderr
    assert show(project).state == RunState.RUNNING, "The run did not outlive the command that started it."
    run = find_run(project.path, "latest")
    wait_until(lambda: len(run.events()[0]) > 3)
    status = run.status
    assert status is not None
    assert psutil.Process(status.pid).nice() > 0
    service = Service()
    service.stop_run(project.path, "latest")
    wait_until(lambda: show(project).state == RunState.PAUSED)
    paused_at = show(project).step
    assert 0 < paused_at < 60

    service.resume_run(project.path, "latest")
    wait_until(lambda: show(project).state == RunState.RUNNING and len(run.events()[0]) > paused_at + 1)
    status = run.status
    assert status is not None
    psutil.Process(status.pid).kill()
    wait_until(lambda: show(project).state == RunState.INTERRUPTED)

    service.resume_run(project.path, "latest")
    wait_until(lambda: show(project).state != RunState.RUNNING)
    summary = show(project)
    assert summary.state == RunState.FINISHED, summary.stage
    monkeypatch.setattr(trainer_module, "save_curves", lambda folder: folder)
    whole = train_without_interruption(project, run.path, tmp_path / "whole" / "runs" / "run")
    assert losses(run.events()[0]) == losses(whole)
    assert len(losses(whole)) == 60

    assert summary.result is not None
    assert summary.result.model_id in project.models.list()
    assert {record.state for record in project.cases() if record.is_labeled} == {"trained"}
    left = {path.name for path in run.path.iterdir()}
    assert not left & {"cache", "state.pt", "best.pt", "model.safetensors"}
