"""The formats by name."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from VQSegLib.errors import ProjectError
from VQSegLib.export.decathlon import export_decathlon
from VQSegLib.export.dicom_seg import export_dicom_seg
from VQSegLib.export.nifti import export_nifti
from VQSegLib.export.nnunet import export_nnunet
from VQSegLib.export.results import ExportReport
from VQSegLib.export.selection import BeforeCase
from VQSegLib.export.volumes_csv import export_volumes
from VQSegLib.project.folder import Project

EXPORTERS: dict[str, Callable[[Project, Path, Collection[str] | None, BeforeCase], ExportReport]] = {
    "nifti": export_nifti,
    "nnunet": export_nnunet,
    "decathlon": export_decathlon,
    "volumes": export_volumes,
}
DICOM_SEG = "dicom-seg"


def export_cases(
    project: Project,
    output: Path,
    form: str,
    *,
    case_ids: Collection[str] | None,
    series: Path | None,
    before_case: BeforeCase,
) -> ExportReport:
    """Export labeled cases; the output is there as a whole or not at all.

    Args:
        project: Project.
        output: Folder or file to make.
        form: Name of the format: one of ``EXPORTERS`` or ``dicom-seg``.
        case_ids: Only these cases; None for all labeled ones.
        series: For ``dicom-seg``: DICOM series the one case was made from.
        before_case: See :data:`~VQSegLib.export.selection.BeforeCase`.

    Raises:
        UserError: The format is not known, or the export is refused for one of its reasons.
    """
    if form == DICOM_SEG:
        if series is None or case_ids is None or len(case_ids) != 1:
            msg = "A DICOM segmentation needs one case and the DICOM series it was made from; give --case and --series."
            raise ProjectError(msg)
        before_case(0, next(iter(case_ids)))
        return export_dicom_seg(project, next(iter(case_ids)), series, output)
    if form not in EXPORTERS:
        msg = f"The format '{form}' is not known; choose one of {', '.join([*EXPORTERS, DICOM_SEG])}."
        raise ProjectError(msg)
    return EXPORTERS[form](project, output, case_ids, before_case)
