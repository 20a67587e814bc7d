"""What the layouts of nnU-Net and of the Medical Segmentation Decathlon share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from VQSegLib.export.selection import BeforeCase, ExportSelection
from VQSegLib.image_files import save_label_map, save_volume
from VQSegLib.project.cases import CaseRecord
from VQSegLib.project.folder import Project
from VQSegLib.volume import Array


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
    """Write images and label maps to ``imagesTr`` and ``labelsTr``; what is never trained on to the same with ``Ts``.

    Args:
        project: Project.
        chosen: Cases.
        folder: Folder that gets these.
        before_case: See :data:`~VQSegLib.export.selection.BeforeCase`.
        image_suffix: What the format adds to the case's name in that of an image.
        ignored_class: Class of slices that nobody reviewed; None when all are.
    """
    for side in ("Tr", "Ts") if chosen.test else ("Tr",):
        (folder / f"images{side}").mkdir()
        (folder / f"labels{side}").mkdir()
    for record in chosen.announced(before_case):
        side = "Tr" if record in chosen.train else "Ts"
        image = project.load_image(record.case_id)
        save_volume(folder / f"images{side}" / f"{record.case_id}{image_suffix}.nii.gz", image)
        classes = image.with_array(_load_classes(project, record, ignored_class))
        save_label_map(folder / f"labels{side}" / f"{record.case_id}.nii.gz", classes)


def _load_classes(project: Project, record: CaseRecord, ignored_class: int | None) -> Array:
    """Return the label map of a case as consecutive classes ``(K, J, I)`` uint8, on the grid of the image."""
    lookup = np.zeros(256, np.uint8)
    for value, number in class_values(project).items():
        lookup[value] = number
    classes: Array = lookup[project.load_label(record.case_id).array]
    latest = record.latest_label
    if ignored_class is not None and latest is not None and latest.reviewed_slices is not None:
        unseen = np.setdiff1d(np.arange(len(classes)), latest.reviewed_slices)
        classes[unseen] = ignored_class
    return classes


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write a document in the export's own format."""
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def values_note(project: Project) -> dict[str, int]:
    """Return label name to the value in the project, for whoever wants to go back."""
    return {label.name: label.value for label in project.labels.labels}
