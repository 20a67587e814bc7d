"""Adding, revising and removing cases: each shows its whole effect at once, in one rename.

Files are built in a temporary folder beside the cases without holding up other writers. The lock is held only while it
is decided what the case is: whether the scan is new, whose it is and on which side. The temporary folder stays until
everything is in place, so that opening the project can tell what a killed writer left half done.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from VQSegLib.atomic_files import rename_folder, write_text
from VQSegLib.errors import ProjectError
from VQSegLib.image_files import save_volume
from VQSegLib.labels import LabelTable
from VQSegLib.leftovers import temporary_name
from VQSegLib.project.case_checks import ConfirmationNeeded, check_image
from VQSegLib.project.case_states import with_natural_state
from VQSegLib.project.case_store import CaseStore
from VQSegLib.project.cases import (
    IMAGE_NAME,
    RECORD_NAME,
    CaseRecord,
    CaseState,
    Geometry,
    ImageFile,
    LabelRevision,
    Split,
    make_id,
)
from VQSegLib.project.hashes import hash_file, hash_voxels
from VQSegLib.project.held_out import align_patients, number_to_hold_out, resolve_patient
from VQSegLib.project.label_files import build_revision, publish_revision, refuse_same_label, unregistered_files
from VQSegLib.project.review import Review
from VQSegLib.project.writing import only_writer, told_failures
from VQSegLib.volume import Volume


@dataclass(frozen=True)
class Addition:
    """How a scan is to be added.

    Attributes:
        review: How the label map came about.
        split: Split by the user's choice; None for the project's own rule.
        patient_id: Patient of an earlier case; None for a new patient.
        is_revision: If the scan is there already with a label map, this one becomes its next revision.
        before_commit: Called when nothing but the last step is left; what it raises leaves nothing behind.
    """

    review: Review = field(default_factory=Review)
    split: Split | None = None
    patient_id: str | None = None
    is_revision: bool = False
    before_commit: Callable[[], None] = lambda: None


class CaseWriter:
    """Writes cases into the ``cases`` folder of a project."""

    def __init__(self, store: CaseStore, read_labels: Callable[[], LabelTable]) -> None:
        """Write to ``store``; ``read_labels`` returns the present label table."""
        self._store = store
        self._read_labels = read_labels

    def add(self, image: Volume, label: Volume | None, addition: Addition) -> CaseRecord:
        """Check and write one case; see :meth:`VQSegLib.project.folder.Project.add_case`.

        Raises:
            ProjectError: One sentence that says what does not fit.
        """
        check_image(image)
        voxel_sha256 = hash_voxels(image.array)
        twin = self._find_twin(voxel_sha256, is_labeled=label is not None, is_revision=addition.is_revision)
        if twin is not None and label is not None:
            _refuse_other_side(twin, addition)
            return self.revise(twin.case_id, label, addition.review, addition.before_commit)
        with told_failures(self._store.folder), self._building() as building:
            revision = None
            if label is not None:
                revision = build_revision(building, Geometry.of(image), label, addition.review, self._read_labels())
            save_volume(building / IMAGE_NAME, image)
            record = CaseRecord(
                case_id=make_id("case"),
                patient_id=make_id("patient"),
                state=CaseState.UNLABELED if revision is None else CaseState.QUEUED,
                split=Split.TRAIN,
                geometry=Geometry.of(image),
                image=ImageFile(sha256=hash_file(building / IMAGE_NAME), voxel_sha256=voxel_sha256),
                labels=() if revision is None else (revision,),
                provenance=addition.review.to_provenance(),
            )
            return self._commit(building, record, addition)

    def revise(
        self, case_id: str, label: Volume, review: Review, before_commit: Callable[[], None] = lambda: None
    ) -> CaseRecord:
        """Accept a label map as the next revision of a case; see :meth:`VQSegLib.project.folder.Project.revise_case`.

        Raises:
            ProjectError: One sentence that says what does not fit.
        """
        grid = self._usable(case_id).geometry
        with told_failures(self._store.folder), self._building(case_id) as building:
            built = build_revision(building, grid, label, review, self._read_labels())
            with only_writer(self._store.folder):
                record = self._usable(case_id)
                refuse_same_label(record, built)
                before_commit()
                return self._register(building, record, built)

    def remove(self, case_id: str) -> None:
        """Remove a case with all its files; what is left of a case whose record is damaged is removed as well.

        Raises:
            ProjectError: There is no such case, or it cannot be removed.
        """
        folder = self._store.existing_path(case_id)
        leaving = self._store.folder / temporary_name()
        with only_writer(self._store.folder), told_failures(self._store.folder):
            rename_folder(folder, leaving)
        shutil.rmtree(leaving, ignore_errors=True)

    def _commit(self, building: Path, record: CaseRecord, addition: Addition) -> CaseRecord:
        """Decide on patient and side, write ``case.json`` and let the folder appear under its name."""
        with only_writer(self._store.folder):
            voxel_sha256 = record.image.voxel_sha256
            if self._find_twin(voxel_sha256, is_labeled=record.is_labeled, is_revision=False) is not None:
                msg = "The same image was added by another program at this moment; try again to add a label map to it."
                raise ProjectError(msg)
            known = self._store.list().records
            patient_id, split, is_chosen, number = resolve_patient(known, addition.patient_id, addition.split)
            update = {"patient_id": patient_id, "split": split, "is_split_chosen": is_chosen, "held_out_as": number}
            record = record.model_copy(update=update)
            record = _decide_side(record, known) if record.is_labeled else record
            write_text(building / RECORD_NAME, record.model_dump_json(indent=2))
            addition.before_commit()
            self._align(record, known)
            rename_folder(building, self._store.path(record.case_id))
        return record

    def _register(self, building: Path, record: CaseRecord, built: LabelRevision) -> CaseRecord:
        """Move the files of a revision into their case and name them in its record."""
        known = self._store.list().records
        folder = self._store.path(record.case_id)
        kept = unregistered_files(folder, record)
        decided = _decide_side(record, known)
        try:
            self._align(decided, known)
            revision = publish_revision(building, folder, built, record)
            after = with_natural_state(decided.model_copy(update={"labels": (*record.labels, revision)}))
            self._store.write(after)
        except OSError:
            for file in set(unregistered_files(folder, record)) - set(kept):
                file.unlink(missing_ok=True)
            raise
        return after

    def _align(self, record: CaseRecord, known: tuple[CaseRecord, ...]) -> None:
        """Bring the other scans of a held-out patient to the same side."""
        others = [one for one in known if one.case_id != record.case_id]
        for changed in align_patients([record, *others]):
            self._store.write(changed)

    def _find_twin(self, voxel_sha256: str, *, is_labeled: bool, is_revision: bool) -> CaseRecord | None:
        """Return the case that holds the same scan if a label map may be added to it.

        Raises:
            ConfirmationNeeded: The scan is there already with a label map, and this one comes with another.
            ProjectError: The scan is there already and nothing new comes with it.
        """
        twin = next((one for one in self._store.list().records if one.image.voxel_sha256 == voxel_sha256), None)
        if twin is None or (is_labeled and (is_revision or not twin.is_labeled)):
            return twin
        msg = f"The same image is in the project already as '{twin.case_id}' ({twin.state}); "
        if is_labeled:
            raise ConfirmationNeeded(msg + "accept it as a new revision of that case.", question="revision")
        raise ProjectError(msg + "a scan is added only once.")

    def _usable(self, case_id: str) -> CaseRecord:
        record = self._store.get(case_id)
        if record.state == CaseState.EXCLUDED:
            msg = f"Case '{case_id}' is excluded; include it again before you label it."
            raise ProjectError(msg)
        return record

    @contextmanager
    def _building(self, case_id: str = "") -> Iterator[Path]:
        """Yield a temporary folder; one that changes an existing case carries its id in the name."""
        building = self._store.folder / "-".join([temporary_name(), *([case_id] if case_id else [])])
        building.mkdir()
        try:
            yield building
        finally:
            shutil.rmtree(building, ignore_errors=True)


def _refuse_other_side(twin: CaseRecord, addition: Addition) -> None:
    """Refuse to label a known scan as if it were of another patient or on another side."""
    if addition.split not in (None, twin.split) or addition.patient_id not in (None, twin.patient_id):
        msg = (
            f"The same image is in the project already as '{twin.case_id}' of patient '{twin.patient_id}' in the split "
            f"'{twin.split}'; patient and split of a case do not change."
        )
        raise ProjectError(msg)


def _decide_side(record: CaseRecord, known: tuple[CaseRecord, ...]) -> CaseRecord:
    """Return a case that gets a label map on its side: held out with its patient, or because it is this one's turn."""
    for other in known:
        if other.patient_id == record.patient_id and other.split == Split.HELD_OUT:
            return record.model_copy(update={"split": Split.HELD_OUT, "held_out_as": other.held_out_as})
    if record.split != Split.TRAIN or record.is_split_chosen:
        return record
    number = number_to_hold_out(known, record.patient_id)
    return record if number is None else record.model_copy(update={"split": Split.HELD_OUT, "held_out_as": number})
