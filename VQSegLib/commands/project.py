"""``vqseg project`` and ``vqseg cases``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from VQSegLib.commands.terminal import print_result, print_sentence, shown_progress
from VQSegLib.errors import UserError

project_app = typer.Typer(help="Make project folders.")
cases_app = typer.Typer(help="Add scans to a project.")


@project_app.callback()
def _project() -> None:
    """Make project folders."""


@cases_app.callback()
def _cases() -> None:
    """Add scans to a project."""


@project_app.command("init")
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


@cases_app.command("import")
def import_cases(
    project: Annotated[Path, typer.Argument(help="Project folder.")],
    images: Annotated[str, typer.Option(help="Pattern in quotes with one *, the case's key: 'scans/*_image.nii.gz'.")],
    labels: Annotated[str | None, typer.Option(help="Pattern of the label maps; * is the same key.")] = None,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "train",
    keys: Annotated[
        str | None, typer.Option(help="Import these keys only: a,b,c or a text file with one a line.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Add images and label maps by pattern; prints which key became which case, which is stored nowhere."""
    from VQSegLib.service import Service

    with shown_progress() as on_progress:
        result = Service().import_cases(
            project, images, labels, split=split, keys=_parse_keys(keys), on_progress=on_progress
        )
    if as_json:
        print_result(result.model_dump_json(indent=2))
    else:
        for key, case_id in result.imported.items():
            print_result(f"{key}\t{case_id}")
    if result.failed:
        total = len(result.imported) + len(result.failed)
        print_sentence(f"{len(result.failed)} of {total} images were not imported:")
        for key, reason in result.failed.items():
            print_sentence(f"{key}: {reason}")
        raise typer.Exit(2)


def _parse_keys(keys: str | None) -> list[str] | None:
    """Return the keys of a list or of a text file."""
    if keys is None:
        return None
    file = Path(keys).expanduser()
    text = file.read_text(encoding="utf-8") if file.is_file() else keys
    found = [key for key in (part.strip() for part in re.split(r"[,\n]", text)) if key]
    if not found:
        msg = f"--keys '{keys}' names no key; give a list such as a,b,c or a text file with one key a line."
        raise UserError(msg)
    return found
