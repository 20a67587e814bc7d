"""``vqseg runs``: fine-tune models in the background."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from VQSegLib.commands.interrupt import cancel_on_interrupt
from VQSegLib.commands.project import JsonOption, ProjectArgument
from VQSegLib.commands.terminal import print_result, print_sentence
from VQSegLib.errors import ProjectError

if TYPE_CHECKING:
    from VQSegLib.run_service import RunWish
    from VQSegLib.runs.documents import RunSummary

app = typer.Typer(help="Make better models from a project's cases, in the background.", no_args_is_help=True)

RunArgument = Annotated[str, typer.Argument(help="Run id, as `vqseg runs list` shows it, or 'latest'.")]
PresetOption = Annotated[str | None, typer.Option(help="quick, standard or thorough.")]
ParentOption = Annotated[
    str | None,
    typer.Option(
        help="Model to start from: id in the project, file, shipped name, or 'none'; by default the one in use."
    ),
]
MethodOption = Annotated[str | None, typer.Option(help="vqseg (semi-supervised, the default) or supervised.")]
SettingsOption = Annotated[
    list[str] | None, typer.Option("--set", help="One setting of the training, for example max_steps=500.")
]
SHOWN_VALUES = ("loss/total", "loss/supervised", "loss/consistency", "dice")


@app.command("start")
def start_run(
    project: ProjectArgument,
    preset: PresetOption = None,
    parent: ParentOption = None,
    method: MethodOption = None,
    name: Annotated[str | None, typer.Option(help="Name of the new model.")] = None,
    settings: SettingsOption = None,
    ask: Annotated[
        bool, typer.Option("--ask", help="Do not use the new model by itself, even if the rule says so.")
    ] = False,
    annotator: Annotated[str | None, typer.Option(help="Name to be recorded as who asked for it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Start a run; it goes on when this command and the terminal end."""
    from VQSegLib.service import Service

    wish = _wish(preset=preset, parent=parent, method=method, settings=settings, name=name, ask=ask, by=annotator)
    summary, notes = Service().start_run(project, wish)
    for note in notes:
        print_sentence(note)
    if as_json:
        print_result(summary.model_dump_json(indent=2))
        return
    spec = summary.spec
    print_result(
        f"Started {summary.run_id}: method '{spec.method}' on {spec.labeled} labeled and {spec.unlabeled} unlabeled "
        f"scans. Watch it with: vqseg runs watch {project} {summary.run_id}"
    )


@app.command("plan")
def plan_run(
    project: ProjectArgument,
    parent: ParentOption = None,
    method: MethodOption = None,
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a run would use and how long each preset takes on this machine; measures a few steps the first time."""
    from VQSegLib.service import Service

    wish = _wish(parent=parent, method=method, settings=settings)
    plan = Service().plan_run(project, wish, is_measured=True)
    if plan.problem is not None:
        raise ProjectError(plan.problem)
    if as_json:
        print_result(plan.model_dump_json(indent=2))
        return
    print_result(f"{plan.labeled} labeled, {plan.unlabeled} unlabeled, {plan.held_out} held out; method {plan.method}")
    for preset in plan.presets:
        duration = "" if preset.seconds is None else f", about {_duration(preset.seconds)}"
        print_result(f"{preset.name:10s} {preset.steps:6d} steps{duration}: {preset.purpose}")
    for note in plan.notes:
        print_result(note)


@app.command("list")
def list_runs(project: ProjectArgument, as_json: JsonOption = False) -> None:
    """List the runs of a project, the oldest first."""
    from VQSegLib.service import Service

    runs = Service().list_runs(project)
    if as_json:
        print_result(json.dumps([run.model_dump(mode="json") for run in runs], indent=2))
        return
    for run in runs:
        print_result(_format(run))
    if not runs:
        print_result("No runs.")


@app.command("show")
def show_run(project: ProjectArgument, run: RunArgument, as_json: JsonOption = False) -> None:
    """Show where a run stands and the last values of its curves."""
    from VQSegLib.service import Service

    summary, events, _ = Service().show_run(project, run)
    if as_json:
        print_result(json.dumps({**summary.model_dump(mode="json"), "events": events}, indent=2))
        return
    print_result(_format(summary))
    for kind in ("step", "validation"):
        for event in [event for event in events if event["event"] == kind][-1:]:
            print_result(_format_event(event))


@app.command("watch")
def watch_run(project: ProjectArgument, run: RunArgument, as_json: JsonOption = False) -> None:
    """Show the events of a run as they come until it ends; Ctrl-C ends the watching, not the run."""
    from VQSegLib.service import Service

    summary, stage = None, ""
    with cancel_on_interrupt() as is_cancelled:
        for summary, events in Service().watch_run(project, run, is_cancelled):
            for event in events:
                print_result(json.dumps(event) if as_json else _format_event(event))
            if summary.stage != stage and not as_json:
                stage = summary.stage
                print_result(stage)
    if summary is not None and as_json:
        print_result(summary.model_dump_json())


@app.command("stop")
def stop_run(
    project: ProjectArgument,
    run: RunArgument,
    for_good: Annotated[bool, typer.Option("--for-good", help="End it; it cannot be resumed.")] = False,
) -> None:
    """Ask a run to save its state and end after its present step; go on with `vqseg runs resume`."""
    from VQSegLib.service import Service

    summary = Service().stop_run(project, run, is_for_good=for_good)
    print_result(f"{summary.run_id} was asked to {'stop' if for_good else 'pause'}.")


@app.command("resume")
def resume_run(project: ProjectArgument, run: RunArgument) -> None:
    """Let a run that was paused or interrupted go on from its last state."""
    from VQSegLib.service import Service

    summary = Service().resume_run(project, run)
    print_result(f"{summary.run_id} goes on at step {summary.step} of {summary.steps}.")


def _wish(
    *,
    preset: str | None = None,
    parent: str | None,
    method: str | None,
    settings: list[str] | None,
    name: str | None = None,
    ask: bool = False,
    by: str | None = None,
) -> RunWish:
    from VQSegLib.run_service import RunWish

    return RunWish(
        preset=preset,
        parent=parent,
        method=method,
        name=name,
        settings=tuple(settings or ()),
        promotes=not ask,
        asked_by=by,
    )


def _format(run: RunSummary) -> str:
    left = "" if run.seconds_left is None else f", {_duration(run.seconds_left)} left"
    return f"{run.run_id}  {run.spec.created}  {run.state}, step {run.step} of {run.steps}{left}: {run.stage}"


def _format_event(event: dict[str, Any]) -> str:
    values = ", ".join(f"{key} {event[key]:.4g}" for key in SHOWN_VALUES if event.get(key) is not None)
    return f"{event['event']} {event['step']}: {values}"


def _duration(seconds: float) -> str:
    """Return a time in words that a person can compare: whole minutes from one minute on."""
    return f"{seconds:.0f} s" if seconds < 60 else str(timedelta(minutes=round(seconds / 60)))[:-3] + " h"
