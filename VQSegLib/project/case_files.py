"""Reading the image and the label maps of a case, after a look at whether they are the files that were stored."""

from __future__ import annotations

from pathlib import Path

from VQSegLib.errors import ProjectError
from VQSegLib.image_files import load_label_map, load_volume
from VQSegLib.project.cases import CaseRecord, LabelRevision
from VQSegLib.project.hashes import hash_file
from VQSegLib.volume import Volume


def load_case_image(folder: Path, record: CaseRecord) -> Volume:
    """Load the image of a case.

    Raises:
        ProjectError: The file is missing or not the one that was stored.
    """
    return load_volume(_checked_file(folder / record.image.name, record.image.sha256))


def load_case_label(folder: Path, revision: LabelRevision) -> Volume:
    """Load a label revision, ``(K, J, I)`` uint8.

    Raises:
        ProjectError: The file is missing or not the one that was stored.
    """
    return load_label_map(_checked_file(folder / revision.name, revision.sha256))


def find_revision(record: CaseRecord, number: int | None) -> LabelRevision:
    """Return a label revision of a case, the latest if no number is given.

    Raises:
        ProjectError: The case has no label map, or not that revision.
    """
    for revision in reversed(record.labels):
        if number in (None, revision.revision):
            return revision
    what = "no label map" if number is None else f"no revision {number} of its label map"
    msg = f"Case '{record.case_id}' has {what}; ask for labeled cases only or label it first."
    raise ProjectError(msg)


def _checked_file(file: Path, sha256: str) -> Path:
    if not file.is_file() or hash_file(file) != sha256:
        msg = f"'{file}' is missing or was changed since it was added; restore it from a backup."
        raise ProjectError(msg)
    return file
