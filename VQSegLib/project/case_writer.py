"""Adding a case: everything is built in a temporary sibling folder that is renamed once it is complete."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from VQSegLib import __version__
from VQSegLib.errors import ProjectError
from VQSegLib.image_files import save_label_map, save_volume
from VQSegLib.labels import LabelTable
from VQSegLib.project.case_checks import check_image, check_label
from VQSegLib.project.cases import (
    IMAGE_NAME,
    RECORD_NAME,
    CaseRecord,
    CaseState,
    Geometry,
    ImageFile,
    LabelRevision,
    Provenance,
    Split,
    hash_voxels,
    label_name,
    make_id,
)
from VQSegLib.project.durable_files import hash_file, rename_folder, write_text
from VQSegLib.project.leftovers import temporary_name
from VQSegLib.volume import Volume

_LOCK_NAME = ".lock"
_LOCK_SECONDS = 60.0


class CaseWriter:
    """Writes cases into the ``cases`` folder of a project."""

    def __init__(self, folder: Path, labels: LabelTable) -> None:
        self._folder = folder
        self._labels = labels

    def add(
        self,
        image: Volume,
        label: Volume | None,
        list_cases: Callable[[], list[CaseRecord]],
        split: Split | str,
        patient_id: str | None,
    ) -> CaseRecord:
        """Check and write one case; see :meth:`VQSegLib.project.folder.Project.add_case`.

        Raises:
            ProjectError: One sentence that says what does not fit.
        """
        split = _parse_split(split)
        check_image(image)
        checked = None if label is None else image.with_array(check_label(image, label, self._labels))
        voxel_sha256 = hash_voxels(image.array)
        building = self._folder / temporary_name()
        try:
            with FileLock(self._folder / _LOCK_NAME, timeout=_LOCK_SECONDS):
                known = list_cases()
                _refuse_duplicate(known, voxel_sha256)
                patient = _resolve_patient(known, patient_id, split)
                record = self._build(building, image, checked, split, patient, voxel_sha256)
                rename_folder(building, self._folder / record.case_id)
        except Timeout as exc:
            msg = f"Another program has been writing to '{self._folder}' for {_LOCK_SECONDS:.0f} s; try again later."
            raise ProjectError(msg) from exc
        except OSError as exc:
            msg = f"The case cannot be written to '{self._folder}' ({exc.strerror}); check free space and permissions."
            raise ProjectError(msg) from exc
        finally:
            shutil.rmtree(building, ignore_errors=True)
        return record

    def _build(
        self, folder: Path, image: Volume, label: Volume | None, split: Split, patient: str, voxel_sha256: str
    ) -> CaseRecord:
        """Write all files of the case into ``folder``, flushed to disk, ``case.json`` last."""
        folder.mkdir()
        provenance = Provenance(created=_utc_now(), software=f"vqseg {__version__}")
        save_volume(folder / IMAGE_NAME, image)
        labels: tuple[LabelRevision, ...] = ()
        if label is not None:
            name = label_name(1)
            save_label_map(folder / name, label)
            sha256 = hash_file(folder / name)
            labels = (LabelRevision(revision=1, name=name, sha256=sha256, provenance=provenance),)
        record = CaseRecord(
            case_id=make_id("case"),
            patient_id=patient,
            state=CaseState.QUEUED if labels else CaseState.UNLABELED,
            split=split,
            geometry=Geometry.of(image),
            image=ImageFile(sha256=hash_file(folder / IMAGE_NAME), voxel_sha256=voxel_sha256),
            labels=labels,
            provenance=provenance,
        )
        write_text(folder / RECORD_NAME, record.model_dump_json(indent=2))
        return record


def _parse_split(split: Split | str) -> Split:
    """Return ``split`` as :class:`Split`."""
    try:
        return Split(split)
    except ValueError as exc:
        msg = f"The split '{split}' is not known; choose one of {', '.join(Split)}."
        raise ProjectError(msg) from exc


def _refuse_duplicate(known: list[CaseRecord], voxel_sha256: str) -> None:
    """Refuse a scan whose voxels are in the project already."""
    for record in known:
        if record.image.voxel_sha256 == voxel_sha256:
            msg = f"The same image is in the project already as '{record.case_id}'; a scan is added only once."
            raise ProjectError(msg)


def _resolve_patient(known: list[CaseRecord], patient_id: str | None, split: Split) -> str:
    """Return the patient key; all scans of one patient must lie in one split."""
    if patient_id is None:
        return make_id("patient")
    splits = {record.split for record in known if record.patient_id == patient_id}
    if not splits:
        msg = (
            f"The project knows no patient '{patient_id}'; give the patient_id of an earlier case "
            "or leave it out for a new patient."
        )
        raise ProjectError(msg)
    if splits != {split}:
        msg = (
            f"Patient '{patient_id}' is in the split '{min(splits)}' and cannot be in '{split}' too; "
            "all scans of a patient share one split."
        )
        raise ProjectError(msg)
    return patient_id


def _utc_now() -> str:
    """Return the present time as ISO 8601 in UTC, whole seconds."""
    return datetime.datetime.now(tz=datetime.UTC).isoformat(timespec="seconds")
