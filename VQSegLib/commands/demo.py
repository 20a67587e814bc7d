"""``vqseg demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from VQSegLib.commands.interrupt import cancel_on_interrupt
from VQSegLib.commands.terminal import print_result, shown_progress


def demo(
    output: Annotated[
        Path | None, typer.Option(help="Folder for the results; by default demo-output, or demo-loop with --loop.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the results of an earlier demo.")] = False,
    loop: Annotated[
        bool, typer.Option("--loop", help="Correct scans, queue them, fine-tune a weak model and compare.")
    ] = False,
) -> None:
    """Segment the shipped CT of one test patient and compare it with the clinical contours."""
    if loop:
        _demo_loop(output or Path("demo-loop"), overwrite=overwrite)
        return
    from VQSegLib.demo import run_demo
    from VQSegLib.evaluation.table import format_table

    with shown_progress() as on_progress:
        result = run_demo(output or Path("demo-output"), overwrite=overwrite, on_progress=on_progress)
    segmentation = result.segmentation
    print_result(format_table(result.evaluation).rstrip())
    print_result(f"Segmented on {segmentation.device} in {segmentation.seconds:.1f} s. Research use only.")
    print_result(f"Label map: {Path(segmentation.output).resolve()}")
    print_result(f"Picture:   {result.picture.resolve()}")


def _demo_loop(output: Path, *, overwrite: bool) -> None:
    from VQSegLib.commands.project_models import format_comparison
    from VQSegLib.demo_loop import run_loop_demo

    with shown_progress() as on_progress, cancel_on_interrupt() as cancelled:
        done = run_loop_demo(output, overwrite=overwrite, on_progress=on_progress, cancelled=cancelled)
    spec, result = done.run.spec, done.run.result
    if result is not None and result.comparison is not None:
        print_result("Held-out patients, Dice of the weak model (old) and of the fine-tuned one (new)")
        print_result(format_comparison(result.comparison))
        in_use = (
            "the new model was promoted" if result.is_promoted else "the new model was NOT promoted, the weak one stays"
        )
        print_result(f"The gate decided: {in_use}.")
    print_result(
        f"{spec.labeled} corrected and {spec.unlabeled} unlabeled scans, {done.run.steps} steps, "
        f"{done.seconds:.0f} s in all. Research use only."
    )
    print_result(f"Before:  {done.before.resolve()}")
    print_result(f"After:   {done.after.resolve()}")
    print_result(f"Project: {done.project.resolve()}")
