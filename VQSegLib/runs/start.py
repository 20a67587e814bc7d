"""Starting a run: everything that can be wrong is found before its process begins."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from VQSegLib.atomic_files import sync_folder
from VQSegLib.errors import ProjectError
from VQSegLib.leftovers import machine_key
from VQSegLib.models.card import ModelCard
from VQSegLib.models.checkpoint import read_card
from VQSegLib.project.cases import CaseState, Split, make_id
from VQSegLib.project.folder import Project
from VQSegLib.project.review import utc_now
from VQSegLib.project.writing import told_failures
from VQSegLib.runs.documents import LOG_FILE, RunSpec, RunState, RunStatus
from VQSegLib.runs.folder import RunFolder, find_runs
from VQSegLib.runs.presets import Wish, build_run_config
from VQSegLib.runs.process import describe_scheduler, start_detached
from VQSegLib.runs.space import check_space
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.parent import check_labels
from VQSegLib.training.run_folder import check_config, prepare
from VQSegLib.training.splits import TrainingCases, select_cases, uses_unlabeled

_NAME_MARK = ", fine-tuned "


@dataclass(frozen=True)
class RunRequest:
    """A run as it is asked for.

    Attributes:
        parent: Model file to start from; None for random weights.
        wish: How long and with which method.
        name: Name of the new model; None makes one from the parent's.
        promotes: Use the new model if the rule says so; otherwise the user decides.
        asked_by: Name to be recorded.
    """

    parent: Path | None
    wish: Wish = field(default_factory=Wish)
    name: str | None = None
    promotes: bool = True
    asked_by: str | None = None


@dataclass(frozen=True)
class PlannedRun:
    """A run that may begin.

    Attributes:
        config: Its configuration.
        cases: What it uses.
        parent: Card of the model it starts from.
        notes: What the user should know, one sentence each.
    """

    config: TrainingConfig
    cases: TrainingCases
    parent: ModelCard | None
    notes: tuple[str, ...]


def plan_run(project: Project, request: RunRequest) -> PlannedRun:
    """Find out whether a run can begin and what it would do; nothing is written.

    Raises:
        UserError: One sentence that says why it cannot.
    """
    card = None if request.parent is None else read_card(request.parent)
    if card is not None:
        check_labels(card, project.labels)
    order = () if card is None else card.labels.values
    labeled = select_cases(project, uses_unlabeled=False, class_order=order).labeled
    is_partly_reviewed = any(one.latest_label and one.latest_label.reviewed_slices for one in labeled)
    has_unlabeled = is_partly_reviewed or _has_unlabeled(project)
    parent_path = None if request.parent is None else str(request.parent.absolute())
    name = request.name or _make_name(card)
    config = build_run_config(project, request.wish, name, card, parent_path, has_unlabeled=has_unlabeled)
    cases = select_cases(project, uses_unlabeled=uses_unlabeled(config), class_order=order)
    check_config(cases.labels, config)
    check_space(project.path, config, cases, 0 if request.parent is None else request.parent.stat().st_size)
    return PlannedRun(config, cases, card, tuple(_describe(config, cases)))


def start_run(project: Project, request: RunRequest) -> tuple[RunFolder, tuple[str, ...]]:
    """Start a run in a process of its own and return at once.

    Returns:
        The run, and what the user should know about it.

    Raises:
        UserError: One sentence that says why it cannot begin; nothing stays behind.
    """
    refuse_second_run(project)
    plan = plan_run(project, request)
    parent_id = None if request.parent is None else project.models.add(request.parent)
    config = plan.config.model_copy(update={"parent": f"../../models/{parent_id}.safetensors" if parent_id else None})
    run_id = make_id("run")
    run = RunFolder(project.path / "runs" / run_id)
    spec = RunSpec(
        run_id=run_id,
        created=utc_now(),
        name=config.name,
        preset=request.wish.preset,
        method=config.method.name,
        parent_id=parent_id,
        parent_name=None if plan.parent is None else plan.parent.name,
        labeled=len(plan.cases.labeled),
        unlabeled=len(plan.cases.unlabeled),
        held_out=len(plan.cases.held_out),
        promotes=request.promotes,
        asked_by=request.asked_by,
    )
    try:
        with told_failures(run.path.parent):
            prepare(run.path, config, plan.cases)
            run.write(spec)
            sync_folder(run.path.parent)
        launch(project, run, config.max_steps)
    except BaseException:
        shutil.rmtree(run.path, ignore_errors=True)
        raise
    return run, plan.notes


def resume_run(project: Project, run: RunFolder) -> None:
    """Let a run go on from its last saved state.

    Raises:
        ProjectError: It is under way, finished or was stopped for good, or another one is under way.
    """
    state = run.summarize().state
    if not state.is_resumable:
        msg = f"Run '{run.path.name}' is {state} and cannot be resumed; start a new one."
        raise ProjectError(msg)
    refuse_second_run(project)
    status = run.status
    with told_failures(run.path):
        run.clear_for_resume()
    launch(project, run, 0 if status is None else status.steps, 0 if status is None else status.step)


def launch(project: Project, run: RunFolder, steps: int, step: int = 0) -> None:
    """Start the process of a prepared run and note which one it is, so that it is found from now on."""
    arguments = ["-m", "VQSegLib.runs", str(project.path.absolute()), run.path.name]
    process = start_detached(arguments, run.path / LOG_FILE)
    started = process.create_time()
    status = RunStatus(
        machine=machine_key(),
        pid=process.pid,
        started=started,
        updated=started,
        stage="Starting",
        step=step,
        steps=steps,
    )
    with told_failures(run.path):
        run.write(status)


def refuse_second_run(project: Project) -> None:
    """Make sure that no run of the project is under way.

    Raises:
        ProjectError: One is.
    """
    for run in find_runs(project.path):
        if run.summarize().state == RunState.RUNNING:
            msg = f"Run '{run.path.name}' of this project is under way; wait for it, or stop it first."
            raise ProjectError(msg)


def _has_unlabeled(project: Project) -> bool:
    return any(
        record.split == Split.TRAIN and record.state != CaseState.EXCLUDED and not record.is_labeled
        for record in project.cases()
    )


def _make_name(parent: ModelCard | None) -> str:
    base = "model" if parent is None else parent.name.partition(_NAME_MARK)[0]
    return f"{base}{_NAME_MARK}{utc_now()[:16].replace('T', ' ')}"


def _describe(config: TrainingConfig, cases: TrainingCases) -> list[str]:
    notes = []
    if not cases.unlabeled and config.method.name == "vqseg":
        notes.append("The run learns from labeled scans only; it gets better with unlabeled scans in the project.")
    if len(cases.held_out) < 2:
        notes.append(
            f"The project holds out {len(cases.held_out)} labeled patients so far (every fifth), too few for the rule, "
            "so you will decide whether the new model is used."
        )
    scheduler = describe_scheduler()
    return [*notes, scheduler] if scheduler else notes
