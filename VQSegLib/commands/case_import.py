"""``vqseg cases import``: add images and label maps by pattern, and print what became of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from VQSegLib.commands.interrupt import cancel_on_interrupt
from VQSegLib.commands.project import JsonOption, ProjectArgument
from VQSegLib.commands.terminal import print_result, print_sentence, shown_progress
from VQSegLib.errors import UserError

if TYPE_CHECKING:
    from VQSegLib.service_results import ImportedCases

SplitOption = Annotated[
    str | None,
    typer.Option(help="train, validation, test or held_out; by default every fifth labeled patient is held out."),
]


def import_cases(
    project: ProjectArgument,
    images: Annotated[str, typer.Option(help="Pattern in quotes with one *, the case's key: 'scans/*_image.nii.gz'.")],
    labels: Annotated[str | None, typer.Option(help="Pattern of the label maps; * is the same key.")] = None,
    split: SplitOption = None,
    keys: Annotated[
        str | None, typer.Option(help="Import these keys only: a,b,c or a text file with one a line.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add images and label maps by pattern; prints which key became which case, which is stored nowhere."""
    from VQSegLib.service import Service

    with cancel_on_interrupt() as is_cancelled, shown_progress() as on_progress:
        result = Service().import_cases(
            project,
            images,
            labels,
            split=split,
            keys=_parse_keys(keys),
            on_progress=on_progress,
            cancelled=is_cancelled,
        )
    print_imported(result, as_json=as_json)


def print_imported(result: ImportedCases, *, as_json: bool) -> None:
    """Print which source became which case, and why others did not.

    Raises:
        Exit: Some were not imported (status 2), or the import was stopped (status 130).
    """
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
    if result.is_stopped:
        print_sentence(f"Stopped as asked; the {len(result.imported)} scans imported until then stay in the project.")
        raise typer.Exit(130)
    if result.failed:
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
