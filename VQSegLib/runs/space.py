"""Whether the disk has room for a run, looked at before it begins."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

from VQSegLib.errors import ProjectError
from VQSegLib.project.cases import CaseRecord
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.splits import TrainingCases

_BYTES_PER_VOXEL = 2
_COPIES_OF_WEIGHTS = 6
"""Student, teacher, two moments of the optimizer, the best weights and the model."""
_RESERVE_BYTES = 200_000_000
_GB = 1e9


def check_space(folder: Path, config: TrainingConfig, cases: TrainingCases, weight_bytes: int) -> None:
    """Make sure that the prepared scans and the state of a run fit.

    Args:
        folder: An existing folder on the file system of the run.
        config: The run.
        cases: Its cases.
        weight_bytes: Size of the model it starts from.

    Raises:
        ProjectError: They do not.
    """
    records = {record.case_id: record for record in (*cases.labeled, *cases.unlabeled)}
    voxels = sum(_count_voxels(record, config) * (2 if record.is_labeled else 1) for record in records.values())
    needed = voxels * _BYTES_PER_VOXEL + weight_bytes * _COPIES_OF_WEIGHTS + _RESERVE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        msg = (
            f"The run needs about {needed / _GB:.1f} GB in '{folder}', but {free / _GB:.1f} GB are free; free some "
            "space or move the project to a larger disk."
        )
        raise ProjectError(msg)


def _count_voxels(record: CaseRecord, config: TrainingConfig) -> int:
    """Return about how many voxels a case has on the model's grid."""
    spacing = record.geometry.spacing_mm_kji
    target = config.preprocessing.target_spacing_mm_kji(spacing)
    return round(math.prod(record.geometry.shape_kji) * math.prod(spacing) / math.prod(target))
