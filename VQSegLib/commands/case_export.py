"""``vqseg cases export``: label maps for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from VQSegLib.commands.interrupt import cancel_on_interrupt
from VQSegLib.commands.project import JsonOption, ProjectArgument
from VQSegLib.commands.terminal import print_result, print_sentence, shown_progress


def export_cases(
    project: ProjectArgument,
    output: Annotated[Path, typer.Argument(help="Folder or file to make; for nnunet named Dataset123_Name.")],
    form: Annotated[
        str, typer.Option("--format", help="nifti, nnunet, decathlon, volumes (CSV) or dicom-seg.")
    ] = "nifti",
    case: Annotated[list[str] | None, typer.Option(help="Only this case; may be given several times.")] = None,
    series: Annotated[
        Path | None,
        typer.Option(help="For dicom-seg: the series the case was made from, a folder or a file of it."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Export labeled cases; what is never trained on goes to the test side of the format."""
    from VQSegLib.service import Service

    with cancel_on_interrupt() as is_cancelled, shown_progress() as on_progress:
        report = Service().export_cases(
            project, output, form, case_ids=case or None, series=series, on_progress=on_progress, cancelled=is_cancelled
        )
    if as_json:
        print_result(report.model_dump_json(indent=2))
        return
    print_result(
        f"Wrote {len(report.train)} cases for training and {len(report.test)} for testing to '{report.output}'."
    )
    for case_id, reason in report.left_out.items():
        print_sentence(f"{case_id} was left out: {reason}")
    for note in report.notes:
        print_sentence(note)
