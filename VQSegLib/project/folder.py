"""The project folder: label table, cases, models and runs in open formats; it can be copied, shared and backed up."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from VQSegLib.atomic_files import write_text
from VQSegLib.errors import ProjectError
from VQSegLib.labels import LabelTable
from VQSegLib.project.case_files import find_revision, load_case_image, load_case_label
from VQSegLib.project.case_states import excluded, trained, with_natural_state
from VQSegLib.project.case_store import CaseListing, CaseStore
from VQSegLib.project.case_writer import Addition, CaseWriter
from VQSegLib.project.cases import CaseRecord, CaseState, Split, parse_choice
from VQSegLib.project.creation import create_folder, make_missing_folders
from VQSegLib.project.document import PROJECT_NAME, ProjectDocument
from VQSegLib.project.model_shelf import ModelShelf
from VQSegLib.project.repair import repair
from VQSegLib.project.review import Review
from VQSegLib.project.stored_documents import DocumentReader
from VQSegLib.project.writing import only_writer, told_failures
from VQSegLib.volume import Volume

_logger = logging.getLogger(__name__)


class Project:
    """An opened project folder.

    Attributes:
        path: The folder.
        models: Its models and which one is in use.
        repairs: What opening the folder had to put right after a crash, one sentence each.
    """

    def __init__(self, path: Path) -> None:
        """Use :meth:`create` or :meth:`open`."""
        self.path = path
        self.repairs: tuple[str, ...] = ()
        self.models = ModelShelf(path / "models")
        self._reader = DocumentReader(ProjectDocument)
        self._store = CaseStore(path / "cases")
        self._writer = CaseWriter(self._store, lambda: self.labels)

    @classmethod
    def create(
        cls,
        path: Path,
        labels: LabelTable,
        modality: str = "CT",
        intensity_window: tuple[float, float] = (-1000.0, 1000.0),
    ) -> Project:
        """Make a new project folder.

        Raises:
            ProjectError: The folder exists and is not empty, its parent is missing, or a value is not valid.
        """
        create_folder(path, labels, modality, intensity_window)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> Project:
        """Open a project folder and repair what a crash left behind (see :attr:`repairs`).

        Raises:
            ProjectError: No project is there, or its ``project.json`` is damaged or of another format version.
        """
        project = cls(path)
        _ = project.document
        make_missing_folders(path)
        project.repair()
        return project

    def repair(self) -> None:
        """Put right what programs that were killed meanwhile left behind, and say so in :attr:`repairs`."""
        self.repairs = repair(self.path, self._store)
        for sentence in self.repairs:
            _logger.warning("%s", sentence)

    @property
    def document(self) -> ProjectDocument:
        """What ``project.json`` says at this moment."""
        file = self.path / PROJECT_NAME
        try:
            return self._reader.read(file)
        except FileNotFoundError as exc:
            msg = f"'{self.path}' is not a VQSeg project (no {PROJECT_NAME} in it); make one with `vqseg project init`."
            raise ProjectError(msg) from exc

    @property
    def labels(self) -> LabelTable:
        """Label table of the project."""
        return self.document.labels

    def change_document(self, change: Callable[[ProjectDocument], ProjectDocument]) -> ProjectDocument:
        """Change ``project.json``, for example by the functions of :mod:`VQSegLib.project.document`.

        Raises:
            ProjectError: What ``change`` raises, or the file cannot be written.
        """
        with only_writer(self.path), told_failures(self.path):
            document = change(self.document)
            write_text(self.path / PROJECT_NAME, document.model_dump_json(indent=2))
        return document

    def case_folder(self, case_id: str) -> Path:
        """Return the folder of a case, whether it exists or not."""
        return self._store.path(case_id)

    def add_case(
        self,
        image: Volume,
        label: Volume | None,
        *,
        split: Split | str | None = None,
        patient_id: str | None = None,
        review: Review | None = None,
        is_revision: bool = False,
        before_commit: Callable[[], None] = lambda: None,
    ) -> CaseRecord:
        """Add one scan; the case is there completely or not at all.

        A scan that is there already without label map gets ``label`` as its first revision.

        Args:
            image: The scan; stored as given.
            label: Label map on the image's grid, or None for the unlabeled pool.
            split: Use of the case by the user's choice; None for the project's rule (:mod:`.held_out`).
            patient_id: ``CaseRecord.patient_id`` of an earlier scan of the same patient; None for a new patient.
            review: How the label map came about; None for an import.
            is_revision: Accept ``label`` as the next revision if the scan is there already with a label map.
            before_commit: Called when only the last step is left; what it raises leaves nothing behind.

        Raises:
            ProjectError: The label map does not fit, the same scan is there already, or the split is not valid.
            ConfirmationNeeded: The label map is empty and the review does not say that this is meant.
        """
        chosen = parse_choice(Split, split)
        addition = Addition(review or Review(), chosen, patient_id, is_revision, before_commit)
        return self._writer.add(image, label, addition)

    def revise_case(
        self, case_id: str, label: Volume, review: Review, before_commit: Callable[[], None] = lambda: None
    ) -> CaseRecord:
        """Accept a label map as the next revision of a case, which then waits for training again.

        Raises:
            ProjectError: There is no such case, it is excluded, or the label map does not fit.
            ConfirmationNeeded: The label map is empty and the review does not say that this is meant.
        """
        return self._writer.revise(case_id, label, review, before_commit)

    def exclude_case(self, case_id: str) -> CaseRecord:
        """Leave a case out of everything until it is included again.

        Raises:
            ProjectError: There is no such case, or it cannot be written.
        """
        return self._store.update(case_id, excluded)

    def include_case(self, case_id: str) -> CaseRecord:
        """Take an excluded case back to where it stood.

        Raises:
            ProjectError: There is no such case, or it cannot be written.
        """
        return self._store.update(case_id, with_natural_state)

    def remove_case(self, case_id: str) -> None:
        """Remove a case with its image and all label revisions.

        Raises:
            ProjectError: There is no such case, or it cannot be removed.
        """
        self._writer.remove(case_id)

    def mark_trained(self, run_id: str, revisions: Mapping[str, int]) -> None:
        """Note that a finished run used cases; one with a newer label map goes on waiting, removed ones are left out.

        Args:
            run_id: The run.
            revisions: Case id to the revision that was used.

        Raises:
            ProjectError: A case cannot be written.
        """
        present = {record.case_id: record for record in self.list_cases().records}
        for case_id in sorted(revisions.keys() & present.keys()):
            self._store.update(case_id, functools.partial(trained, run_id=run_id, revision=revisions[case_id]))

    def list_cases(self) -> CaseListing:
        """Return all cases that can be read, and why others cannot."""
        return self._store.list()

    def cases(self, state: CaseState | str | None = None, split: Split | str | None = None) -> list[CaseRecord]:
        """Return the cases in order of their id, optionally only those of one state or split.

        Raises:
            ProjectError: A ``case.json`` is missing or damaged.
        """
        listing = self.list_cases()
        for sentence in listing.damaged.values():
            raise ProjectError(sentence)
        return [one for one in listing.records if state in (None, one.state) and split in (None, one.split)]

    def case(self, case_id: str) -> CaseRecord:
        """Return the record of one case.

        Raises:
            ProjectError: There is no such case, or its ``case.json`` is damaged or of another format version.
        """
        return self._store.get(case_id)

    def require_case(self, case_id: str) -> Path:
        """Return the folder of a case, also of one that cannot be read.

        Raises:
            ProjectError: There is no such case.
        """
        return self._store.existing_path(case_id)

    def load_image(self, case_id: str) -> Volume:
        """Load the image of a case.

        Raises:
            ProjectError: There is no such case, or the file is missing or not the one that was stored.
        """
        record = self.case(case_id)
        return load_case_image(self.case_folder(case_id), record)

    def load_label(self, case_id: str, revision: int | None = None) -> Volume:
        """Load a label revision of a case, the latest by default, ``(K, J, I)`` uint8.

        Raises:
            ProjectError: There is no such case or revision, or the file is missing or not the one that was stored.
        """
        found = find_revision(self.case(case_id), revision)
        return load_case_label(self.case_folder(case_id), found)
