"""``vqseg models``: list, show, import and verify model files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from VQSegLib.commands import project_models
from VQSegLib.commands.terminal import print_result

app = typer.Typer(help="List, show, import and verify model files; choose the one a project uses.")
app.command("compare")(project_models.compare_models)
app.command("promote")(project_models.promote_model)
app.command("rollback")(project_models.roll_back_model)
app.command("export")(project_models.export_model)
app.command("shelf")(project_models.list_project_models)

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
ModelArgument = Annotated[str, typer.Argument(help="Model file, or name of a shipped model.")]


@app.command("list")
def list_models(
    folder: Annotated[Path | None, typer.Argument(help="Folder of model files; by default the shipped ones.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the model files of a folder."""
    from VQSegLib.service import Service

    models = Service().list_models(folder)
    if as_json:
        print_result(json.dumps([model.model_dump(mode="json") for model in models], indent=2))
        return
    for model in models:
        if model.problem:
            print_result(f"{Path(model.path).stem}: cannot be used: {model.problem}")
            continue
        dice = "" if model.validation_dice is None else f", validation Dice {model.validation_dice:.3f}"
        print_result(f"{Path(model.path).stem}: {model.spatial_dims}-D, {len(model.labels)} structures{dice}")
    if not models:
        print_result("No model files.")


@app.command("show")
def show_model(model: ModelArgument, as_json: JsonOption = False) -> None:
    """Show the card of a model: structures, training data, scores, licence, intended use."""
    from VQSegLib.commands.model_card_text import format_card
    from VQSegLib.service import Service

    card = Service().show_model(model)
    print_result(card.model_dump_json(indent=2) if as_json else format_card(card))


@app.command("import")
def import_model(
    source: Annotated[Path, typer.Argument(help="Checkpoint (.pth) released by the VQ-Seg authors.")],
    output: Annotated[Path, typer.Option(help="Model file to write (.safetensors).")],
    name: Annotated[str, typer.Option(help="Name of the model.")],
    labels: Annotated[str | None, typer.Option(help="Label table of its classes: JSON file or shipped name.")] = None,
) -> None:
    """Convert a checkpoint in the authors' released layout into a model file; runs no code from it."""
    from VQSegLib.resources import load_label_table
    from VQSegLib.service import Service

    table = None if labels is None else load_label_table(labels)
    card = Service().import_model(source, output, name=name, labels=table)
    print_result(f"Wrote '{output}': model '{card.name}' with {card.network.num_classes} classes, background included.")


@app.command("verify")
def verify_model(model: ModelArgument, as_json: JsonOption = False) -> None:
    """Check every byte of a model file and that its weights fit its network."""
    from VQSegLib.service import Service

    verified = Service().verify_model(model)
    if as_json:
        print_result(verified.model_dump_json(indent=2))
        return
    print_result(f"'{verified.path}' is whole: model '{verified.name}', SHA-256 {verified.sha256}.")
