"""``vqseg segment``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from VQSegLib.commands.interrupt import cancel_on_interrupt
from VQSegLib.commands.terminal import print_result, shown_progress


def segment(
    image: Annotated[Path, typer.Argument(help="Image file (NIfTI, NRRD, MHA, MHD) or folder with a DICOM series.")],
    model: Annotated[str, typer.Option(help="Model file, name of a shipped model, or project whose model to use.")],
    output: Annotated[Path, typer.Option(help="Label map to write: .nii.gz, .nii, .nrrd or .mha.")],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:<n>.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Segment a scan; the label map lies in the scan's own geometry."""
    from VQSegLib.service import Service

    with shown_progress() as on_progress, cancel_on_interrupt() as cancelled:
        result = Service().segment(
            image, model, output, device=device, overwrite=overwrite, on_progress=on_progress, cancelled=cancelled
        )
    if as_json:
        print_result(result.model_dump_json(indent=2))
        return
    for label in result.labels:
        print_result(f"{label.value:3d}  {label.name:<28} {label.volume_ml:10.2f} ml")
    print_result(f"Wrote '{result.output}' with model '{result.model}' on {result.device} in {result.seconds:.1f} s.")
