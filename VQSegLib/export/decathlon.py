"""The layout of the Medical Segmentation Decathlon (http://medicaldecathlon.com)."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from VQSegLib.export.layout import class_values, values_note, write_json, write_sides
from VQSegLib.export.new_output import new_folder
from VQSegLib.export.results import ExportReport
from VQSegLib.export.selection import BeforeCase, ExportSelection, select_labeled
from VQSegLib.project.folder import Project


def export_decathlon(
    project: Project, output: Path, case_ids: Collection[str] | None, before_case: BeforeCase
) -> ExportReport:
    """Write labeled cases as a task of the decathlon.

    Cases that are never trained on are listed under ``test``; their label maps lie in ``labelsTs``, which the format
    does not name. Cases of which only some slices were reviewed are left out, because the format cannot say so.

    Args:
        project: Project.
        output: Folder to make.
        case_ids: Only these cases; None for all labeled ones.
        before_case: See :data:`~VQSegLib.export.selection.BeforeCase`.

    Raises:
        ProjectError: Nothing is to be exported, or it cannot be written.
    """
    chosen = select_labeled(project, case_ids, takes_partial=False)
    with new_folder(output) as folder:
        write_sides(project, chosen, folder, before_case)
        write_json(folder / "dataset.json", _describe(project, output.name, chosen))
    return chosen.report(output)


def _describe(project: Project, name: str, chosen: ExportSelection) -> dict[str, object]:
    values = class_values(project)
    labels = {"0": "background", **{str(values[label.value]): label.name for label in project.labels.labels}}
    training = [
        {"image": f"./imagesTr/{one.case_id}.nii.gz", "label": f"./labelsTr/{one.case_id}.nii.gz"}
        for one in chosen.train
    ]
    return {
        "name": name,
        "description": "Exported from a VQSeg project; research use only.",
        "reference": "",
        "licence": "",
        "release": "",
        "tensorImageSize": "3D",
        "modality": {"0": project.document.modality},
        "labels": labels,
        "numTraining": len(chosen.train),
        "numTest": len(chosen.test),
        "training": training,
        "test": [f"./imagesTs/{one.case_id}.nii.gz" for one in chosen.test],
        "label_values_in_project": values_note(project),
    }
