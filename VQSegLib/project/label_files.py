"""The files of one label revision: the label map, and where it differs from the model's proposal."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from VQSegLib.atomic_files import publish, sync_folder
from VQSegLib.errors import ProjectError
from VQSegLib.image_files import save_label_map
from VQSegLib.labels import LabelTable
from VQSegLib.project.case_checks import check_label, check_same_grid
from VQSegLib.project.cases import CaseRecord, Edits, Geometry, LabelRevision, edits_name, label_name
from VQSegLib.project.hashes import hash_file, hash_voxels
from VQSegLib.project.review import Review, check_reviewed_slices, compare_with_proposal
from VQSegLib.volume import Volume


def build_revision(folder: Path, grid: Geometry, label: Volume, review: Review, table: LabelTable) -> LabelRevision:
    """Check a label map and write its files into ``folder`` under the names of revision 1.

    Raises:
        ProjectError: The label map, the proposal or the reviewed slices do not fit.
        VolumeError: A file cannot be written.
    """
    array = check_label(grid, label, table, is_empty_meant=review.is_empty_meant)
    slices = check_reviewed_slices(review.reviewed_slices, array.shape[0])
    exact = Volume(array, np.array(grid.affine_ijk_to_ras))  # on the very grid of the image, without rounding
    edits = None
    if review.proposal is not None:
        check_same_grid(grid, review.proposal)
        changed, labels = compare_with_proposal(array, review.proposal.array)
        save_label_map(folder / edits_name(1), exact.with_array(changed))
        sha256 = hash_file(folder / edits_name(1))
        edits = Edits(name=edits_name(1), sha256=sha256, voxels=int(changed.sum()), labels=labels)
    save_label_map(folder / label_name(1), exact)
    return LabelRevision(
        revision=1,
        name=label_name(1),
        sha256=hash_file(folder / label_name(1)),
        voxel_sha256=hash_voxels(array),
        reviewed_slices=slices,
        table_values=table.values,
        edits=edits,
        provenance=review.to_provenance(),
    )


def publish_revision(building: Path, case_folder: Path, built: LabelRevision, record: CaseRecord) -> LabelRevision:
    """Move the files of a built revision into the case under the next free number; nothing is ever overwritten.

    Returns:
        The revision with its number and names.
    """
    number = 1 + max((revision.revision for revision in record.labels), default=0)
    while True:
        try:
            publish(building / built.name, case_folder / label_name(number))
            break
        except FileExistsError:
            number += 1
    edits = built.edits
    if edits is not None:
        publish(building / edits.name, case_folder / edits_name(number))
        edits = edits.model_copy(update={"name": edits_name(number)})
    sync_folder(case_folder)
    return built.model_copy(update={"revision": number, "name": label_name(number), "edits": edits})


def refuse_same_label(record: CaseRecord, built: LabelRevision) -> None:
    """Refuse a label map that is the latest revision once more.

    Raises:
        ProjectError: Voxels and reviewed slices are the same.
    """
    latest = record.latest_label
    if latest is None or latest.voxel_sha256 != built.voxel_sha256:
        return
    if (latest.reviewed_slices, latest.table_values) == (built.reviewed_slices, built.table_values):
        msg = f"Revision {latest.revision} of case '{record.case_id}' is this very label map; there is nothing to add."
        raise ProjectError(msg)


def unregistered_files(case_folder: Path, record: CaseRecord) -> list[Path]:
    """Return label and edit files that the record does not name."""
    known = {revision.name for revision in record.labels}
    known |= {revision.edits.name for revision in record.labels if revision.edits is not None}
    found = [*case_folder.glob("label.r*.nii.gz"), *case_folder.glob("edits.r*.nii.gz")]
    return sorted(file for file in found if file.name not in known)
