"""Making a new project folder."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from pydantic import ValidationError

from VQSegLib.atomic_files import rename_folder, write_text
from VQSegLib.documents import describe_validation_error
from VQSegLib.errors import ProjectError
from VQSegLib.labels import LabelTable
from VQSegLib.leftovers import temporary_name
from VQSegLib.project.document import PROJECT_NAME, ProjectDocument

_SUBFOLDERS = ("cases", "models", "runs")


def create_folder(path: Path, labels: LabelTable, modality: str, intensity_window: tuple[float, float]) -> None:
    """Make a new project folder; see :meth:`VQSegLib.project.folder.Project.create`.

    Raises:
        ProjectError: The folder exists and is not empty, its parent is missing, or a value is not valid.
    """
    try:
        document = ProjectDocument(labels=labels, modality=modality, intensity_window=intensity_window)
    except ValidationError as exc:
        raise ProjectError(describe_validation_error(exc, "The new project")) from exc
    _refuse_occupied(path)
    building = path.with_name(temporary_name())
    try:
        for name in _SUBFOLDERS:
            (building / name).mkdir(parents=True)
        write_text(building / PROJECT_NAME, document.model_dump_json(indent=2))
        if path.exists():
            path.rmdir()
        rename_folder(building, path)
    except OSError as exc:
        msg = f"The project folder '{path}' cannot be written ({exc.strerror}); choose a folder you may write to."
        raise ProjectError(msg) from exc
    finally:
        shutil.rmtree(building, ignore_errors=True)


def make_missing_folders(path: Path) -> None:
    """Make the folders that a copy without empty folders lacks; a project that cannot be written stays as it is."""
    with contextlib.suppress(OSError):
        for name in _SUBFOLDERS:
            (path / name).mkdir(exist_ok=True)


def _refuse_occupied(path: Path) -> None:
    """Refuse to create a project over something else or in a missing folder."""
    if not path.parent.is_dir():
        msg = f"The folder '{path.parent}' does not exist; create it first or choose another place for the project."
        raise ProjectError(msg)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        msg = f"'{path}' exists and is not an empty folder; choose a new folder for the project."
        raise ProjectError(msg)
