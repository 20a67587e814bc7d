"""Open a data set by its path: a project folder, or one of the published sets there is a reader for."""

from __future__ import annotations

from pathlib import Path

from VQSegLib.comparison.data import BenchmarkData
from VQSegLib.comparison.left_atrium import is_left_atrium, open_left_atrium
from VQSegLib.comparison.lidc import SUFFIX, open_lidc
from VQSegLib.errors import UserError
from VQSegLib.project.cases import CaseRecord, CaseState, Split
from VQSegLib.project.document import PROJECT_NAME
from VQSegLib.project.folder import Project

_ARCHIVE_NAME = "lidc_slices.npz"


def open_data(path: Path) -> BenchmarkData:
    """Open a data set.

    Args:
        path: Project folder; ``lidc_slices.npz`` or its folder; folder of the left-atrium data.

    Raises:
        UserError: It is none of these, or lacks cases.
    """
    if path.suffix == SUFFIX and path.is_file():
        return open_lidc(path)
    if (path / PROJECT_NAME).is_file():
        return _open_project(path)
    if (path / _ARCHIVE_NAME).is_file():
        return open_lidc(path / _ARCHIVE_NAME)
    if is_left_atrium(path):
        return open_left_atrium(path)
    msg = (
        f"'{path}' is no data set that can be benchmarked; give a project folder, {_ARCHIVE_NAME}, or the folder with "
        "train.list and test.list of the left-atrium data."
    )
    raise UserError(msg)


def _open_project(path: Path) -> BenchmarkData:
    """Open a project: its labeled test cases are scored, its labeled training cases get labels by the budget.

    A case whose label map holds for some slices only is scored nowhere and trained on without labels.
    """
    project = Project.open(path)
    records = [record for record in project.cases() if record.state != CaseState.EXCLUDED]
    # By voxels, not by the random ids, so that two imports of the same scans give the same subsets.
    records.sort(key=lambda record: record.image.voxel_sha256)
    labeled = {split: tuple(r for r in records if r.split == split and _is_whole(r)) for split in Split}
    for split in (Split.TRAIN, Split.TEST):
        if not labeled[split]:
            msg = (
                f"The project '{path}' has no labeled {split.value} case, which a benchmark needs; "
                f"add some with `vqseg cases import --labels ... --split {split.value}`."
            )
            raise UserError(msg)
    return BenchmarkData(
        name=path.name,
        source=project,
        train=labeled[Split.TRAIN],
        unlabeled=tuple(r for r in records if r.split == Split.TRAIN and not _is_whole(r)),
        validation=labeled[Split.VALIDATION],
        test=labeled[Split.TEST],
        slices=False,
        unit="mm",
        stride=None,
        window=project.document.intensity_window,
        defaults={"network": {"spatial_dims": 3, "encoder": {"kind": "vnet"}}},
    )


def _is_whole(record: CaseRecord) -> bool:
    return record.is_labeled and record.labels[-1].reviewed_slices is None
