"""What a run would use and how long it would take on this machine."""

from __future__ import annotations

from dataclasses import replace

from VQSegLib.errors import UserError
from VQSegLib.project.folder import Project
from VQSegLib.runs.documents import PresetEstimate, RunPlan
from VQSegLib.runs.presets import DEFAULT_PRESET, PRESETS
from VQSegLib.runs.start import PlannedRun, RunRequest, plan_run, refuse_second_run
from VQSegLib.runs.step_times import measure_step_seconds, recall_step_seconds, remember_step_seconds


def describe_plan(project: Project, request: RunRequest, *, is_measured: bool) -> RunPlan:
    """Say what a run would use and how long each preset would take.

    Args:
        project: Project.
        request: The run; its preset does not matter.
        is_measured: Take a few training steps if none were ever taken here, which lasts seconds.
    """
    plans: dict[str, PlannedRun] = {}
    try:
        refuse_second_run(project)
        for name in PRESETS:
            plans[name] = plan_run(project, replace(request, wish=replace(request.wish, preset=name)))
    except UserError as mistake:
        return RunPlan(problem=str(mistake))
    chosen = plans[DEFAULT_PRESET]
    seconds = recall_step_seconds(chosen.config)
    if seconds is None and is_measured:
        seconds = measure_step_seconds(chosen.config)
        remember_step_seconds(chosen.config, seconds)
    return RunPlan(
        problem=None,
        parent_id=None if request.parent is None else request.parent.stem,
        parent_name=None if chosen.parent is None else chosen.parent.name,
        method=chosen.config.method.name,
        labeled=len(chosen.cases.labeled),
        unlabeled=len(chosen.cases.unlabeled),
        held_out=len(chosen.cases.held_out),
        presets=tuple(_estimate(name, plans[name], seconds) for name in PRESETS),
        notes=chosen.notes,
    )


def _estimate(name: str, plan: PlannedRun, seconds: float | None) -> PresetEstimate:
    preset, steps = PRESETS[name], plan.config.max_steps
    total = None if seconds is None else steps * seconds
    return PresetEstimate(name=name, steps=steps, purpose=preset.purpose, seconds=total)
