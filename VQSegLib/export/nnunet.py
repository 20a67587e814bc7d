"""nnU-Net v2's raw layout (https://github.com/MIC-DKFZ/nnUNet, documentation/dataset_format.md)."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from VQSegLib.errors import ProjectError
from VQSegLib.export.layout import class_values, values_note, write_json, write_sides
from VQSegLib.export.new_output import new_folder
from VQSegLib.export.results import ExportReport
from VQSegLib.export.selection import BeforeCase, select_labeled
from VQSegLib.project.cases import CaseRecord
from VQSegLib.project.folder import Project

_NAME = re.compile(r"^Dataset\d{3}_\w[\w-]*$")


def export_nnunet(
    project: Project, output: Path, case_ids: Collection[str] | None, before_case: BeforeCase
) -> ExportReport:
    """Write labeled cases as a raw dataset of nnU-Net v2.

    Cases that are never trained on go to ``imagesTs`` and ``labelsTs``. Slices nobody reviewed get nnU-Net's ignore
    label, which takes them out of its loss and its scores.

    Args:
        project: Project.
        output: Folder to make, named as nnU-Net wants it: ``Dataset123_Name``.
        case_ids: Only these cases; None for all labeled ones.
        before_case: See :data:`~VQSegLib.export.selection.BeforeCase`.

    Raises:
        ProjectError: The name does not fit, nothing is to be exported, or it cannot be written.
    """
    if not _NAME.match(output.name):
        msg = f"nnU-Net wants a folder named like Dataset123_Name (three digits), given '{output.name}'."
        raise ProjectError(msg)
    chosen = select_labeled(project, case_ids)
    has_partial = any(_is_partial(record) for record in chosen.all)
    ignored = len(project.labels.labels) + 1 if has_partial else None
    with new_folder(output) as folder:
        write_sides(project, chosen, folder, before_case, image_suffix="_0000", ignored_class=ignored)
        write_json(folder / "dataset.json", _describe(project, len(chosen.train), ignored))
    notes = () if chosen.train else ("No case is on the training side, so nnU-Net has nothing to train on.",)
    return chosen.report(output, notes)


def _describe(project: Project, train_cases: int, ignored: int | None) -> dict[str, object]:
    values = class_values(project)
    labels = {"background": 0, **{label.name: values[label.value] for label in project.labels.labels}}
    if ignored is not None:
        labels["ignore"] = ignored
    return {
        "channel_names": {"0": project.document.modality},
        "labels": labels,
        "numTraining": train_cases,
        "file_ending": ".nii.gz",
        "label_values_in_project": values_note(project),
    }


def _is_partial(record: CaseRecord) -> bool:
    return record.latest_label is not None and record.latest_label.reviewed_slices is not None
