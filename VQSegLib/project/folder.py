"""The project folder: label table, cases, models and runs in open formats; it can be copied, shared and backed up."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator

from VQSegLib.documents import Document, describe_validation_error, parse_document
from VQSegLib.errors import ProjectError
from VQSegLib.image_files import load_label_map, load_volume
from VQSegLib.labels import LabelTable
from VQSegLib.project.case_writer import CaseWriter
from VQSegLib.project.cases import RECORD_NAME, CaseRecord, CaseState, Split
from VQSegLib.project.durable_files import hash_file, rename_folder, write_text
from VQSegLib.project.leftovers import remove_leftovers, temporary_name
from VQSegLib.volume import Volume

FORMAT_VERSION = 1
PROJECT_NAME = "project.json"
_SUBFOLDERS = ("cases", "models", "runs")
_logger = logging.getLogger(__name__)


class ProjectDocument(Document):
    """``project.json``: what all cases and models of a project share."""

    format_version: Literal[1] = 1
    labels: LabelTable
    modality: str = Field(default="CT", min_length=1)
    intensity_window: tuple[float, float] = Field(default=(-1000.0, 1000.0), description="Lowest and highest HU used.")

    @field_validator("intensity_window")
    @classmethod
    def _check_window(cls, window: tuple[float, float]) -> tuple[float, float]:
        if window[0] >= window[1]:
            msg = "its low end must be below its high end"
            raise ValueError(msg)
        return window


class Project:
    """An opened project folder.

    Attributes:
        path: The folder.
        document: Label table, modality and intensity window.
        repairs: What opening the folder had to put right after a crash, one sentence each.
    """

    def __init__(self, path: Path, document: ProjectDocument, repairs: tuple[str, ...] = ()) -> None:
        self.path = path
        self.document = document
        self.repairs = repairs

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
        try:
            document = ProjectDocument(labels=labels, modality=modality, intensity_window=intensity_window)
        except ValidationError as exc:
            raise ProjectError(describe_validation_error(exc, "The new project")) from exc
        _refuse_occupied(path)
        building = path.with_name(temporary_name())
        try:
            for name in _SUBFOLDERS:
                (building / name).mkdir(parents=True)
            write_text(building / PROJECT_NAME, document.model_dump_json(indent=2))
            if path.exists():
                path.rmdir()
            rename_folder(building, path)
        except OSError as exc:
            msg = f"The project folder '{path}' cannot be written ({exc.strerror}); choose a folder you may write to."
            raise ProjectError(msg) from exc
        finally:
            shutil.rmtree(building, ignore_errors=True)
        return cls(path, document)

    @classmethod
    def open(cls, path: Path) -> Project:
        """Open a project folder and repair what a crash left behind (see :attr:`repairs`).

        Raises:
            ProjectError: No project is there, or its ``project.json`` is damaged or of another format version.
        """
        file = path / PROJECT_NAME
        if not file.is_file():
            msg = f"'{path}' is not a VQSeg project (no {PROJECT_NAME} in it); make one with `vqseg project init`."
            raise ProjectError(msg)
        text = _read_text(file)
        _check_version(text, file)
        document = parse_document(ProjectDocument, text, str(file), ProjectError)
        for name in _SUBFOLDERS:
            (path / name).mkdir(exist_ok=True)
        repairs = tuple(remove_leftovers(path / "cases"))
        for sentence in repairs:
            _logger.warning("%s", sentence)
        return cls(path, document, repairs)

    @property
    def labels(self) -> LabelTable:
        """Label table of the project."""
        return self.document.labels

    def case_folder(self, case_id: str) -> Path:
        """Return the folder of a case, whether it exists or not."""
        return self.path / "cases" / case_id

    def add_case(
        self, image: Volume, label: Volume | None, *, split: Split | str, patient_id: str | None = None
    ) -> CaseRecord:
        """Add one scan; the case is there completely or not at all.

        Args:
            image: The scan; stored as given.
            label: Label map on the image's grid, or None for the unlabeled pool.
            split: Use of the case: ``train``, ``validation`` or ``test``.
            patient_id: ``CaseRecord.patient_id`` of an earlier scan of the same patient; None for a new patient.

        Raises:
            ProjectError: The label map does not fit, the same scan is there already, or the split is not valid.
        """
        return CaseWriter(self.path / "cases", self.labels).add(image, label, self.cases, split, patient_id)

    def cases(self, state: CaseState | str | None = None, split: Split | str | None = None) -> list[CaseRecord]:
        """Return the cases in order of their id, optionally only those of one state or split.

        Raises:
            ProjectError: A ``case.json`` is missing or damaged.
        """
        folders = sorted(folder for folder in (self.path / "cases").glob("case-*") if folder.is_dir())
        records = [self.case(folder.name) for folder in folders]
        return [record for record in records if state in (None, record.state) and split in (None, record.split)]

    def case(self, case_id: str) -> CaseRecord:
        """Return the record of one case.

        Raises:
            ProjectError: There is no such case, or its ``case.json`` is damaged or of another format version.
        """
        file = self.case_folder(case_id) / RECORD_NAME
        if not file.is_file():
            msg = f"The project has no case '{case_id}' ({file} is missing); restore it or remove its folder."
            raise ProjectError(msg)
        text = _read_text(file)
        _check_version(text, file)
        return parse_document(CaseRecord, text, str(file), ProjectError)

    def load_image(self, case_id: str) -> Volume:
        """Load the image of a case.

        Raises:
            ProjectError: There is no such case, or the file is missing or not the one that was stored.
        """
        record = self.case(case_id)
        return load_volume(self._checked_file(case_id, record.image.name, record.image.sha256))

    def load_label(self, case_id: str) -> Volume:
        """Load the latest label revision of a case, ``(K, J, I)`` uint8.

        Raises:
            ProjectError: There is no such case, it has no label, or the file is missing or not the one that was stored.
        """
        record = self.case(case_id)
        if not record.is_labeled:
            msg = f"Case '{case_id}' has no label map; ask for labeled cases only or label it first."
            raise ProjectError(msg)
        return load_label_map(self._checked_file(case_id, record.labels[-1].name, record.labels[-1].sha256))

    def _checked_file(self, case_id: str, name: str, sha256: str) -> Path:
        """Return the path of one file of a case after comparing its SHA-256 with the record's."""
        file = self.case_folder(case_id) / name
        if not file.is_file() or hash_file(file) != sha256:
            msg = f"'{file}' is missing or was changed since it was added; restore it from a backup."
            raise ProjectError(msg)
        return file


def _refuse_occupied(path: Path) -> None:
    """Refuse to create a project over something else or in a missing folder."""
    if not path.parent.is_dir():
        msg = f"The folder '{path.parent}' does not exist; create it first or choose another place for the project."
        raise ProjectError(msg)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        msg = f"'{path}' exists and is not an empty folder; choose a new folder for the project."
        raise ProjectError(msg)


def _read_text(file: Path) -> bytes:
    """Read a document of the project."""
    try:
        return file.read_bytes()
    except OSError as exc:
        msg = f"'{file}' cannot be read ({exc.strerror}); check the permissions of the project folder."
        raise ProjectError(msg) from exc


def _check_version(text: bytes, file: Path) -> None:
    """Refuse documents of another format version before their fields are looked at."""
    try:
        version = json.loads(text).get("format_version")
    except (ValueError, AttributeError) as exc:
        msg = f"'{file}' is damaged (not a JSON document); restore it from a backup."
        raise ProjectError(msg) from exc
    if version != FORMAT_VERSION:
        msg = (
            f"'{file}' has format version {version!r}, this VQSeg reads version {FORMAT_VERSION}; "
            "open the project with the VQSeg version that wrote it or a newer one."
        )
        raise ProjectError(msg)
