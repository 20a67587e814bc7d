"""``vqseg demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from VQSegLib.commands.terminal import print_result, shown_progress


def demo(
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("demo-output"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the results of an earlier demo.")] = False,
) -> None:
    """Segment the shipped CT of one test patient and compare it with the clinical contours."""
    from VQSegLib.demo import run_demo
    from VQSegLib.evaluation.table import format_table

    with shown_progress() as on_progress:
        result = run_demo(output, overwrite=overwrite, on_progress=on_progress)
    segmentation = result.segmentation
    print_result(format_table(result.evaluation).rstrip())
    print_result(f"Segmented on {segmentation.device} in {segmentation.seconds:.1f} s. Research use only.")
    print_result(f"Label map: {Path(segmentation.output).resolve()}")
    print_result(f"Picture:   {result.picture.resolve()}")
