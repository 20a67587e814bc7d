"""What the folder layouts of nnU-Net and of the Medical Segmentation Decathlon share."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from VQSegLib.atomic_files import rename_folder
from VQSegLib.errors import ProjectError
from VQSegLib.export.selection import ExportSelection
from VQSegLib.image_files import save_label_map, save_volume
from VQSegLib.leftovers import find_leftovers, temporary_name
from VQSegLib.project.cases import CaseRecord
from VQSegLib.project.folder import Project
from VQSegLib.project.writing import told_failures
from VQSegLib.volume import Array

BeforeCase = Callable[[int, str], None]
"""Called with the number of cases done and the case that comes next; what it raises ends the export."""


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes the name ``path`` once the body is through.

    Raises:
        ProjectError: Something is there already, the parent is missing, or it cannot be written.
    """
    if not path.parent.is_dir():
        msg = f"The folder '{path.parent}' does not exist; create it or choose another output."
        raise ProjectError(msg)
    if path.exists():
        msg = f"The output '{path}' exists already; choose another name, nothing is replaced."
        raise ProjectError(msg)
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


def class_values(project: Project) -> dict[int, int]:
    """Return project value to consecutive class number; both formats count classes from 1 in the table's order."""
    return {label.value: number for number, label in enumerate(project.labels.labels, start=1)}


def write_sides(
    project: Project,
    chosen: ExportSelection,
    folder: Path,
    before_case: BeforeCase,
    *,
    image_suffix: str = "",
    ignored_class: int | None = None,
) -> None:
    """Write images and label maps into ``imagesTr`` and ``labelsTr``, those never trained on into ``...Ts``.

    Args:
        project: Project.
        chosen: Cases.
        folder: Folder of the export.
        before_case: See :data:`BeforeCase`.
        image_suffix: Comes after the case id in the names of images.
        ignored_class: See :func:`write_classes`.
    """
    for side in ("Tr", "Ts") if chosen.test else ("Tr",):
        (folder / f"images{side}").mkdir()
        (folder / f"labels{side}").mkdir()
    for number, record in enumerate(chosen.all):
        before_case(number, record.case_id)
        side = "Tr" if record in chosen.train else "Ts"
        write_image(project, record, folder / f"images{side}" / f"{record.case_id}{image_suffix}.nii.gz")
        write_classes(project, record, folder / f"labels{side}" / f"{record.case_id}.nii.gz", ignored_class)


def write_image(project: Project, record: CaseRecord, file: Path) -> None:
    """Write the image of a case."""
    save_volume(file, project.load_image(record.case_id))


def write_classes(project: Project, record: CaseRecord, file: Path, ignored_class: int | None) -> None:
    """Write the label map of a case as consecutive classes on the grid of the image.

    Args:
        project: Project.
        record: Labeled case.
        file: File to write.
        ignored_class: Class of slices that nobody reviewed; None when all are.
    """
    image, label = project.load_image(record.case_id), project.load_label(record.case_id)
    lookup = np.zeros(256, np.uint8)
    for value, number in class_values(project).items():
        lookup[value] = number
    classes: Array = lookup[label.array]
    latest = record.latest_label
    if ignored_class is not None and latest is not None and latest.reviewed_slices is not None:
        unseen = np.setdiff1d(np.arange(len(classes)), latest.reviewed_slices)
        classes[unseen] = ignored_class
    save_label_map(file, image.with_array(classes))


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write a document in the export's own format."""
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def values_note(project: Project) -> dict[str, int]:
    """Return label name to the value in the project, for whoever wants to go back."""
    return {label.name: label.value for label in project.labels.labels}
