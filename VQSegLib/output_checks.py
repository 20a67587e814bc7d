"""Checks of an output path that are made before any work is done."""

from __future__ import annotations

from pathlib import Path

from VQSegLib.errors import UserError


def check_output_file(output: Path, suffixes: tuple[str, ...], *, source: Path, overwrite: bool) -> None:
    """Refuse a file that cannot or must not be written.

    Args:
        output: File to be written.
        suffixes: Allowed endings.
        source: Input that must not be replaced.
        overwrite: Whether an existing file may be replaced.

    Raises:
        UserError: Unknown ending, missing folder, a folder of that name, the input itself, or an existing file.
    """
    if not output.name.lower().endswith(suffixes):
        msg = f"The output '{output}' has an ending that cannot be written; choose one of {', '.join(suffixes)}."
        raise UserError(msg)
    if not output.parent.is_dir():
        msg = f"The folder '{output.parent}' does not exist; create it or choose another output."
        raise UserError(msg)
    if output.is_dir():
        msg = f"The output '{output}' is a folder; give the name of a file in it."
        raise UserError(msg)
    if output.exists():
        if source.exists() and output.samefile(source):
            msg = f"The output '{output}' is the input itself; choose another name."
            raise UserError(msg)
        if not overwrite:
            msg = f"The output '{output}' exists already; choose another name or add --overwrite."
            raise UserError(msg)
