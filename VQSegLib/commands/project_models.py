"""``vqseg models`` for the models of a project: compare, promote, roll back, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from VQSegLib.commands.interrupt import cancel_on_interrupt
from VQSegLib.commands.project import JsonOption, ProjectArgument
from VQSegLib.commands.terminal import print_result, shown_progress
from VQSegLib.errors import ProjectError

if TYPE_CHECKING:
    from VQSegLib.training.figures import Comparison, Paired

ModelArgument = Annotated[str, typer.Argument(help="Model id in the project, model file, or shipped name.")]
AnnotatorOption = Annotated[str | None, typer.Option(help="Name to be recorded as who decided.")]


def compare_models(
    project: ProjectArgument,
    new: ModelArgument,
    old: Annotated[str | None, typer.Option(help="Model to compare with; by default the one in use.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two models on the held-out cases of a project, with the written rule."""
    from VQSegLib.service import Service

    with shown_progress() as on_progress, cancel_on_interrupt() as cancelled:
        found = Service().compare_models(project, new, old, on_progress=on_progress, cancelled=cancelled)
    print_result(found.model_dump_json(indent=2) if as_json else format_comparison(found))


def promote_model(
    project: ProjectArgument,
    model: ModelArgument,
    annotator: AnnotatorOption = None,
    despite: Annotated[str | None, typer.Option(help="Reason to use it even if the rule says it is worse.")] = None,
) -> None:
    """Use a model of a project from now on, if it is not worse by the written rule."""
    from VQSegLib.service import Service

    with shown_progress() as on_progress, cancel_on_interrupt() as cancelled:
        done = Service().promote_model(
            project, model, decided_by=annotator, reason=despite, on_progress=on_progress, cancelled=cancelled
        )
    if not done.is_promoted:
        msg = f"{done.sentence} To use it nevertheless, give a reason with --despite."
        raise ProjectError(msg)
    print_result(f"In use now. {done.sentence}")


def roll_back_model(
    project: ProjectArgument,
    annotator: AnnotatorOption = None,
    reason: Annotated[str | None, typer.Option(help="Reason to be recorded.")] = None,
) -> None:
    """Go back to the model that was in use before."""
    from VQSegLib.service import Service

    current = Service().roll_back_model(project, decided_by=annotator, reason=reason).current
    model_id = None if current is None else current.model_id
    print_result(f"In use now: {model_id or 'no model of the project'}.")


def export_model(
    project: ProjectArgument,
    model: ModelArgument,
    output: Annotated[Path, typer.Option(help="Model file to write (.safetensors).")],
) -> None:
    """Copy a model file out of a project."""
    from VQSegLib.service import Service

    print_result(f"Wrote '{Service().export_model(project, model, output)}'.")


def list_project_models(project: ProjectArgument, as_json: JsonOption = False) -> None:
    """List the models of a project and how the one in use came to be so."""
    import json

    from VQSegLib.service import Service

    models, active = Service().list_shelf(project)
    if as_json:
        shown = {"models": [model.model_dump(mode="json") for model in models], **active.model_dump(mode="json")}
        print_result(json.dumps(shown, indent=2))
        return
    for model in models:
        dice = model.held_out.mean.get("dice") if model.held_out else None
        score = "" if dice is None else f", held-out Dice {dice:.3f}"
        mark = "*" if model.is_in_use else " "
        print_result(f"{mark} {model.id}  {model.problem or model.name}{score}")
    for decision in active.history:
        by = "" if decision.decided_by is None else f" by {decision.decided_by}"
        print_result(f"{decision.decided}  {decision.action} {decision.model_id or 'none'}{by}: {decision.rule}")


def format_comparison(found: Comparison) -> str:
    """Return a comparison as a table with its verdict."""
    figures = found.figures
    lines = [f"{'':24s} {'old':>7s} {'new':>7s} {'difference (95 % interval)':>30s} {'HD95 mm':>15s}"]
    rows = [(label.name, label.dice, label.hd95_mm) for label in figures.labels]
    lines += [_format_row(*row) for row in [*rows, ("mean", figures.dice, figures.hd95_mm)]]
    lines.append("Held-out cases: wrong voxels of old and new, voxels clinicians changed in the proposal")
    lines += [
        f"{case.case_id}  {case.old_wrong_voxels:8d} {case.new_wrong_voxels:8d} "
        f"{'not known' if case.changed_voxels is None else case.changed_voxels}"
        for case in figures.cases
    ]
    return "\n".join([*lines, found.sentence, *found.notes])


def _format_row(name: str, dice: Paired, distance: Paired) -> str:
    if dice.difference is None:
        return f"{name:24s} in no held-out case"
    interval = "" if dice.low is None else f" ({dice.low:+.3f} to {dice.high:+.3f})"
    hd95 = "" if distance.old is None else f"{distance.old:6.1f} {distance.new:6.1f}"
    return f"{name:24s} {dice.old:7.3f} {dice.new:7.3f} {f'{dice.difference:+.3f}{interval}':>30s} {hd95:>15s}"
