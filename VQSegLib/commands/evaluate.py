"""``vqseg evaluate``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from VQSegLib.commands.terminal import print_result, shown_progress


class DistanceUnit(StrEnum):
    """Units distances can be told in."""

    MM = "mm"
    VOXEL = "voxel"


def evaluate(
    prediction: Annotated[Path, typer.Option(help="Label map, or folder of label maps.")],
    reference: Annotated[Path, typer.Option(help="Reference label map, or folder; matched by file name.")],
    labels: Annotated[
        str | None, typer.Option(help="Label table that names the values: JSON file or shipped name.")
    ] = None,
    unit: Annotated[
        DistanceUnit, typer.Option(help="Unit of distances; voxel is the papers' convention.")
    ] = DistanceUnit.MM,
    tolerance: Annotated[float, typer.Option(min=0.0, help="Tolerance of surface Dice, in the unit.")] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Score label maps against references: Dice, Jaccard, HD95, ASD, ASSD and surface Dice."""
    from VQSegLib.evaluation.table import format_json, format_table
    from VQSegLib.resources import load_label_table
    from VQSegLib.service import Service

    table = None if labels is None else load_label_table(labels)
    with shown_progress() as on_progress:
        evaluation = Service().evaluate(
            prediction, reference, labels=table, unit=unit.value, tolerance=tolerance, on_progress=on_progress
        )
    print_result(format_json(evaluation) if as_json else format_table(evaluation).rstrip())
