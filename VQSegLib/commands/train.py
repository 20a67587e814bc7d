"""``vqseg train``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from VQSegLib.commands.interrupt import cancel_on_interrupt
from VQSegLib.commands.terminal import print_result, shown_progress


def train(
    project: Annotated[Path, typer.Argument(help="Project folder.")],
    output: Annotated[Path | None, typer.Option(help="Run folder; by default a new one in the project's runs.")] = None,
    config: Annotated[Path | None, typer.Option(help="JSON file with any part of the training configuration.")] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="supervised, nnunet_recipe, uamt, mcnet, ssnet, bcp, arco, abd, unimatch_v1, unimatch_v2, dropout or "
            "vqseg; or a preset: nnunet, vqseg-paper, vqseg-release."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="One setting, for example max_steps=2000; may be repeated.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --output.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train a model on the labeled and unlabeled cases of a project; Ctrl-C saves the state for --resume."""
    from VQSegLib.service import Service
    from VQSegLib.training.request import TrainingRequest

    request = TrainingRequest(output, config, method, settings or (), resume, _command_without_paths())
    with shown_progress() as on_progress, cancel_on_interrupt() as cancelled:
        result = Service().train(project, request, on_progress=on_progress, cancelled=cancelled)
    if as_json:
        print_result(result.model_dump_json(indent=2))
        return
    dice = (
        "no validation cases"
        if result.validation_dice is None
        else f"mean validation Dice {result.validation_dice:.3f}"
    )
    print_result(f"Wrote '{result.model}': step {result.best_step}, {dice}; curves in '{result.curves}'.")


def _command_without_paths() -> str:
    """Return the command line for the model card; a path is shortened to its last part."""
    shortened = [
        Path(part).name if ("/" in part or "\\" in part) and "=" not in part else part for part in sys.argv[1:]
    ]
    return shlex.join(["vqseg", *shortened])
