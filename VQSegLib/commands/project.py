"""``vqseg project``: make, check and describe project folders and their label tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from VQSegLib.commands.interrupt import cancel_on_interrupt
from VQSegLib.commands.terminal import print_result, shown_progress

if TYPE_CHECKING:
    from VQSegLib.labels import LabelTable

app = typer.Typer(help="Make and check project folders.", no_args_is_help=True)
labels_app = typer.Typer(help="Change a project's label table; the value of a label never changes.")
app.add_typer(labels_app, name="labels")

ProjectArgument = Annotated[Path, typer.Argument(help="Project folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
ValueArgument = Annotated[int, typer.Argument(help="Value of the label.")]


@app.command("init")
def init_project(
    path: Annotated[Path, typer.Argument(help="Folder to make.")],
    labels: Annotated[str, typer.Option(help="Label table: JSON file or shipped name, for example openkbp_head_neck.")],
    modality: Annotated[str, typer.Option(help="Imaging modality.")] = "CT",
    window: Annotated[tuple[float, float], typer.Option(help="Lowest and highest HU used.")] = (-1000.0, 1000.0),
) -> None:
    """Make a new project folder."""
    from VQSegLib.resources import load_label_table
    from VQSegLib.service import Service

    project = Service().create_project(path, labels=load_label_table(labels), modality=modality, window=window)
    print_result(f"Made the project '{project.path}' with {len(project.labels.labels)} labels.")


@app.command("show")
def show_project(project: ProjectArgument, as_json: JsonOption = False) -> None:
    """Open a project, repair what a crash left behind, and say what is in it."""
    from VQSegLib.service import Service

    summary = Service().summarize_project(project)
    if as_json:
        print_result(summary.model_dump_json(indent=2))
        return
    low, high = summary.intensity_window
    print_result(f"{summary.modality}, intensities {low:g} to {high:g}, {len(summary.labels.labels)} labels")
    for state, count in summary.counts.items():
        print_result(f"{state}: {count}")
    print_result(f"held out with a label map: {summary.held_out}")
    print_result(f"model in use: {summary.active_model or 'none of the project'}")
    for sentence in summary.damaged.values():
        print_result(sentence)


@app.command("check")
def check_project(project: ProjectArgument, as_json: JsonOption = False) -> None:
    """Compare every file of a project with its hash and the cases with each other; exit status 2 if one is wrong."""
    from VQSegLib.service import Service

    with cancel_on_interrupt() as is_cancelled, shown_progress() as on_progress:
        report = Service().check_project(project, on_progress=on_progress, cancelled=is_cancelled)
    if as_json:
        print_result(report.model_dump_json(indent=2))
    else:
        for sentence in (*report.problems, *report.notes):
            print_result(sentence)
        print_result(f"{report.cases} cases, {len(report.problems)} problems.")
    if report.problems:
        raise typer.Exit(2)


@labels_app.command("list")
def list_labels(project: ProjectArgument) -> None:
    """List values, names and codes."""
    from VQSegLib.service import Service

    _print_table(Service().open_project(project).labels)


@labels_app.command("add")
def add_label(
    project: ProjectArgument,
    name: Annotated[str, typer.Argument(help="Name of the label; a removed one of that name gets its value back.")],
    color: Annotated[tuple[int, int, int] | None, typer.Option(help="Red, green, blue, each 0 to 255.")] = None,
) -> None:
    """Add a label with a value that no other label ever had."""
    from VQSegLib.project import document
    from VQSegLib.service import Service

    _print_table(Service().change_project(project, lambda it: document.add_label(it, name, color)).labels)


@labels_app.command("rename")
def rename_label(
    project: ProjectArgument, value: ValueArgument, name: Annotated[str, typer.Argument(help="New name.")]
) -> None:
    """Give a label another name."""
    from VQSegLib.project import document
    from VQSegLib.service import Service

    _print_table(Service().change_project(project, lambda it: document.rename_label(it, value, name)).labels)


@labels_app.command("remove")
def remove_label(project: ProjectArgument, value: ValueArgument) -> None:
    """Remove a label; its value stays taken and label maps keep their voxels."""
    from VQSegLib.project import document
    from VQSegLib.service import Service

    _print_table(Service().change_project(project, lambda it: document.remove_label(it, value)).labels)


@labels_app.command("reorder")
def reorder_labels(
    project: ProjectArgument, values: Annotated[list[int], typer.Argument(help="All values in their new order.")]
) -> None:
    """Change the order in which labels are shown."""
    from VQSegLib.project import document
    from VQSegLib.service import Service

    _print_table(Service().change_project(project, lambda it: document.reorder_labels(it, values)).labels)


def _print_table(table: LabelTable) -> None:
    for label in table.labels:
        code = "" if label.type is None else f"\t{label.type.meaning}"
        print_result(f"{label.value}\t{label.name}{code}")
