"""What is found out before a run begins; the process itself is not started here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch

from VQSegLib.errors import ConfigError, ProjectError, UserError
from VQSegLib.methods import build_method
from VQSegLib.models.checkpoint import load_checkpoint, save_checkpoint
from VQSegLib.project.document import add_label
from VQSegLib.project.folder import Project
from VQSegLib.run_service import RunWish
from VQSegLib.runs import start as start_module
from VQSegLib.runs import step_times
from VQSegLib.runs.documents import RunState
from VQSegLib.runs.presets import PRESETS, Wish
from VQSegLib.runs.start import RunRequest, plan_run, resume_run, start_run
from VQSegLib.service import Service


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Note what would be started; this test's own process stands for it."""
    commands: list[list[str]] = []

    def start(arguments: list[str], _log: Path) -> psutil.Process:
        commands.append(arguments)
        return psutil.Process()

    monkeypatch.setattr(start_module, "start_detached", start)
    return commands


def plan(project: Project, parent: Path | None, **wish: object) -> start_module.PlannedRun:
    return plan_run(project, RunRequest(parent, Wish(**wish)))


def test_the_configuration_is_the_parents_made_gentler(project: Project, parent: Path) -> None:
    config = plan(project, parent, preset="quick").config
    card = load_checkpoint(parent).card
    assert (config.network, config.preprocessing) == (card.network, card.preprocessing)
    assert config.method.name == "vqseg"
    assert config.method.code_perturbation.refresh_steps == 10
    assert config.optimizer.learning_rate == pytest.approx(0.02 / 4)
    assert config.data.patch_size == (8, 12, 12)
    assert (config.max_steps, config.validation_interval) == (PRESETS["quick"].steps, 20)


def test_without_unlabeled_scans_only_the_labeled_ones_are_used_and_that_is_said(
    project: Project, parent: Path
) -> None:
    for record in project.cases(state="unlabeled"):
        project.remove_case(record.case_id)
    planned = plan(project, parent)
    assert planned.cases.unlabeled == ()
    assert not planned.config.method.needs_unlabeled(planned.config.max_steps - 1, planned.config.max_steps)
    assert "labeled scans only" in planned.notes[0]


def test_supervised_fine_tuning_of_a_network_with_codes_keeps_its_codes(project: Project, parent: Path) -> None:
    planned = plan(project, parent, method="supervised")
    assert planned.cases.unlabeled == ()
    assert planned.config.network.quantizer is not None


def test_a_network_without_codes_is_fine_tuned_supervised(project: Project, parent: Path, tmp_path: Path) -> None:
    from VQSegLib.models.network import build_network

    card = load_checkpoint(parent).card
    network = card.network.model_copy(update={"quantizer": None})
    plain = card.model_copy(update={"network": network, "training": None})
    save_checkpoint(tmp_path / "plain.safetensors", build_network(network), plain)
    assert plan(project, tmp_path / "plain.safetensors").config.method.name == "supervised"
    with pytest.raises(ConfigError, match="has no codebook"):
        plan(project, tmp_path / "plain.safetensors", method="vqseg")


def test_a_run_from_nothing_needs_no_parent(project: Project) -> None:
    planned = plan(project, None)
    assert (planned.parent, planned.config.parent) == (None, None)
    assert planned.config.network.num_classes == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: [p.remove_case(r.case_id) for r in p.cases(state="queued")], "no labeled case to train on"),
        (lambda p: p.change_document(lambda it: add_label(it, "Eye")), r"does not know Eye \(\d+\)"),
    ],
    ids=["nothing labeled", "label the parent does not know"],
)
def test_what_keeps_a_run_from_starting_is_one_sentence_and_leaves_nothing(
    project: Project, parent: Path, change: Callable[[Project], object], words: str
) -> None:
    change(project)
    with pytest.raises(UserError, match=words):
        start_run(project, RunRequest(parent))
    assert not list((project.path / "runs").iterdir())
    assert not project.models.list()


def test_a_full_disk_is_told_before_anything_is_written(
    project: Project, parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5_000_000))
    with pytest.raises(ProjectError, match=r"needs about 0\.\d GB .* 0\.0 GB are free"):
        start_run(project, RunRequest(parent))
    assert not list((project.path / "runs").iterdir())


def test_an_unknown_preset_is_refused(project: Project, parent: Path) -> None:
    with pytest.raises(ConfigError, match="choose one of quick, standard, thorough"):
        plan(project, parent, preset="forever")


def test_a_started_run_is_found_and_keeps_others_out(project: Project, parent: Path, started: list[list[str]]) -> None:
    run, notes = start_run(project, RunRequest(parent, asked_by="Dr. Ö"))
    assert run.summarize().state == RunState.RUNNING
    assert started == [["-m", "VQSegLib.runs", str(project.path), run.path.name]]
    assert "you will decide" in notes[-1]
    assert project.models.path(run.spec.parent_id).is_file()
    assert run.spec.asked_by == "Dr. Ö"
    assert str(project.path) not in (run.path / "config.json").read_text(encoding="utf-8")
    with pytest.raises(ProjectError, match="is under way"):
        start_run(project, RunRequest(parent))


def test_a_run_that_cannot_be_started_leaves_nothing(
    project: Project, parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        msg = "The run could not be started."
        raise ProjectError(msg)

    monkeypatch.setattr(start_module, "start_detached", fail)
    with pytest.raises(ProjectError):
        start_run(project, RunRequest(parent))
    assert not list((project.path / "runs").iterdir())


def test_inside_a_scheduler_the_end_of_the_job_is_announced(
    project: Project, parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    assert "inside a job of Slurm" in plan(project, parent).notes[-1]


def test_without_a_parent_the_model_in_use_is_taken_or_asked_for(project: Project, parent: Path) -> None:
    service = Service()
    assert "No model is in use" in str(service.plan_run(project.path, RunWish()).problem)
    model_id = project.models.add(parent)
    project.models.promote(model_id, rule="test")
    found = service.plan_run(project.path, RunWish())
    assert (found.problem, found.parent_id, found.labeled, found.unlabeled) == (None, model_id, 2, 1)


def test_presets_are_estimated_from_steps_taken_on_this_machine(project: Project, parent: Path) -> None:
    service, wish = Service(), RunWish(parent=str(parent))
    assert [one.seconds for one in service.plan_run(project.path, wish).presets] == [None] * 3
    measured = service.plan_run(project.path, wish, is_measured=True).presets
    assert all(one.seconds and one.seconds > 0 for one in measured)
    assert measured[2].seconds == pytest.approx(measured[0].seconds * measured[2].steps / measured[0].steps)
    assert service.plan_run(project.path, wish).presets == measured


@pytest.fixture
def has_matrix_units(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Return a switch: whether this machine has units for products in bfloat16."""

    def switch(is_there: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": is_there}, raising=False)

    return switch


def test_a_run_computes_in_bfloat16_where_the_processor_can_unless_the_user_chose(
    project: Project, parent: Path, has_matrix_units: Callable[[bool], None]
) -> None:
    for is_there, precision in ((False, "32-true"), (True, "bf16-mixed")):
        has_matrix_units(is_there)
        assert plan(project, parent).config.device.precision == precision
        assert plan(project, None).config.device.precision == precision
    assert plan(project, parent, settings=("device.precision=32-true",)).config.device.precision == "32-true"


def test_a_resumed_run_keeps_its_precision(
    project: Project, parent: Path, has_matrix_units: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    has_matrix_units(True)
    run, _ = start_run(project, RunRequest(parent))
    before = (run.path / "config.json").read_text(encoding="utf-8")
    has_matrix_units(False)
    monkeypatch.setattr(start_module, "refuse_second_run", lambda _: None)
    monkeypatch.setattr(type(run), "summarize", lambda _: SimpleNamespace(state=RunState.PAUSED))
    resume_run(project, run)
    assert json.loads(before)["device"]["precision"] == "bf16-mixed"
    assert (run.path / "config.json").read_text(encoding="utf-8") == before


@pytest.mark.parametrize(("precision", "is_lower"), [("32-true", False), ("bf16-mixed", True)])
def test_the_estimate_measures_steps_in_the_precision_of_the_run(
    project: Project, parent: Path, monkeypatch: pytest.MonkeyPatch, precision: str, is_lower: bool
) -> None:
    seen: list[bool] = []

    def build(*arguments: Any) -> Any:
        method = build_method(*arguments)
        method.register_forward_pre_hook(lambda *_: seen.append(torch.is_autocast_enabled("cpu")))
        return method

    monkeypatch.setattr(step_times, "build_method", build)
    config = plan(project, parent, settings=(f"device.precision={precision}",)).config
    assert step_times.measure_step_seconds(config) > 0
    assert set(seen) == {is_lower}


def test_a_device_that_is_missing_is_told_before_the_run(
    project: Project, parent: Path, has_matrix_units: Callable[[bool], None]
) -> None:
    has_matrix_units(True)
    with pytest.raises(ConfigError, match="0 CUDA devices are usable"):
        plan(project, parent, settings=("device.accelerator=cuda",))


def test_ramps_follow_the_steps_of_the_run_also_where_they_are_set_singly(project: Project, parent: Path) -> None:
    quick = plan(project, parent, preset="quick").config
    assert (quick.method.pretraining_steps, quick.method.rampup_steps, quick.optimizer.warmup_steps) == (100, 100, 20)
    short = plan(project, parent, preset="standard", settings=("max_steps=40",)).config
    assert (short.method.pretraining_steps, short.method.rampup_steps, short.optimizer.warmup_steps) == (20, 20, 4)
    assert short.validation_interval == 4
    longer = plan(project, parent, preset="quick", method="supervised", settings=("max_steps=900",))
    assert longer.cases.unlabeled == ()
    assert longer.config.method.pretraining_steps == 900


@pytest.mark.parametrize("steps", ["0", "many", "1.5"])
def test_steps_that_are_none_are_refused(project: Project, parent: Path, steps: str) -> None:
    with pytest.raises(ConfigError, match="whole number of steps"):
        plan(project, parent, settings=(f"max_steps={steps}",))
