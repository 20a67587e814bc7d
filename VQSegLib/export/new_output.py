"""An output that is made whole or not at all, and replaces nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from VQSegLib.atomic_files import rename_folder
from VQSegLib.errors import ProjectError
from VQSegLib.leftovers import find_leftovers, temporary_name
from VQSegLib.project.writing import told_failures


def check_new(output: Path) -> None:
    """Refuse an output that is there already or whose folder is missing.

    Raises:
        ProjectError: Either of these.
    """
    if not output.parent.is_dir():
        msg = f"The folder '{output.parent}' does not exist; create it or choose another output."
        raise ProjectError(msg)
    if output.exists():
        msg = f"The output '{output}' exists already; choose another name, nothing is replaced."
        raise ProjectError(msg)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes the name ``path`` once the body is through.

    Raises:
        ProjectError: Something is there already, the parent is missing, or it cannot be written.
    """
    check_new(path)
    building = path.with_name(temporary_name())
    with told_failures(path.parent):
        for leftover in find_leftovers(path.parent):  # images of patients, left by an export that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        try:
            building.mkdir()
            yield building
            rename_folder(building, path)
        finally:
            shutil.rmtree(building, ignore_errors=True)
