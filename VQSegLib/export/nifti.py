"""Plain NIfTI files with the project's own label values, as ``vqseg cases import`` takes them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from VQSegLib.export.new_output import new_folder
from VQSegLib.export.results import ExportReport
from VQSegLib.export.selection import BeforeCase, select_labeled
from VQSegLib.image_files import save_label_map, save_volume
from VQSegLib.project.folder import Project


def export_nifti(
    project: Project, output: Path, case_ids: Collection[str] | None, before_case: BeforeCase
) -> ExportReport:
    """Write ``<case>_image.nii.gz`` and ``<case>_label.nii.gz`` of labeled cases, and ``labels.json``.

    Args:
        project: Project.
        output: Folder to make.
        case_ids: Only these cases; None for all labeled ones.
        before_case: See :data:`~VQSegLib.export.selection.BeforeCase`.

    Raises:
        ProjectError: Nothing is to be exported, or it cannot be written.
    """
    chosen = select_labeled(project, case_ids)
    notes = []
    with new_folder(output) as folder:
        for record in chosen.announced(before_case):
            save_volume(folder / f"{record.case_id}_image.nii.gz", project.load_image(record.case_id))
            save_label_map(folder / f"{record.case_id}_label.nii.gz", project.load_label(record.case_id))
            slices = record.latest_label.reviewed_slices if record.latest_label is not None else None
            if slices is not None:
                notes.append(f"Of {record.case_id} only the slices {', '.join(map(str, slices))} were reviewed.")
        (folder / "labels.json").write_text(project.labels.model_dump_json(indent=2), encoding="utf-8")
    return chosen.report(output, notes)
