"""``vqseg cases next``: which unlabeled scan to label next, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from VQSegLib.commands.interrupt import cancel_on_interrupt
from VQSegLib.commands.project import JsonOption, ProjectArgument
from VQSegLib.commands.terminal import print_result, print_sentence, shown_progress


def find_next(
    project: ProjectArgument,
    model: Annotated[
        str | None, typer.Option(help="Model that looks at the scans: file or name; by default the project's own.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many scans to name.")] = 10,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:<n>.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Rank the unlabeled scans: where the model is unsure, and what is unlike the labeled ones."""
    from VQSegLib.service import Service

    with cancel_on_interrupt() as is_cancelled, shown_progress() as on_progress:
        found = Service().find_next_scans(
            project, model=model, limit=limit, device=device, on_progress=on_progress, cancelled=is_cancelled
        )
    if as_json:
        print_result(found.model_dump_json(indent=2))
        return
    for scan in found.scans:
        print_result(f"{scan.case_id}\t{scan.score:.2f}\t{scan.reason}")
    for case_id, reason in found.failed.items():
        print_sentence(f"{case_id} could not be looked at: {reason}")
