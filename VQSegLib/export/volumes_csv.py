"""Volumes of all structures of all labeled cases as a table."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection
from pathlib import Path

import numpy as np

from VQSegLib.atomic_files import write_text
from VQSegLib.export.new_output import check_new
from VQSegLib.export.results import ExportReport
from VQSegLib.export.selection import BeforeCase, select_labeled
from VQSegLib.project.folder import Project
from VQSegLib.project.writing import told_failures

COLUMNS = (
    "case_id",
    "patient_id",
    "state",
    "split",
    "revision",
    "annotator_id",
    "label_value",
    "label_name",
    "voxels",
    "volume_ml",
)


def export_volumes(
    project: Project, output: Path, case_ids: Collection[str] | None, before_case: BeforeCase
) -> ExportReport:
    """Write one row for each label of each case (UTF-8, comma-separated); a structure that is not there has 0 voxels.

    Cases of which only some slices were reviewed are left out, because their volumes are not known.

    Args:
        project: Project.
        output: CSV file to make.
        case_ids: Only these cases; None for all labeled ones.
        before_case: See :data:`~VQSegLib.export.selection.BeforeCase`.

    Raises:
        ProjectError: The file exists, nothing is to be exported, or it cannot be written.
    """
    check_new(output)
    chosen = select_labeled(project, case_ids, takes_partial=False)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in chosen.announced(before_case):
        counts = np.bincount(project.load_label(record.case_id).array.ravel(), minlength=256)
        voxel_ml = math.prod(record.geometry.spacing_mm_kji) / 1000.0
        latest = record.labels[-1]
        for label in project.labels.labels:
            voxels = int(counts[label.value])
            row = (record.case_id, record.patient_id, record.state.value, record.split.value, latest.revision)
            name = latest.provenance.annotator_id or ""
            writer.writerow((*row, name, label.value, label.name, voxels, f"{voxels * voxel_ml:.3f}"))
    with told_failures(output.parent):
        write_text(output, text.getvalue())
    return chosen.report(output)
