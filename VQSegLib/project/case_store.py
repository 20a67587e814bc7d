"""The case folders of a project: reading and replacing their records."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from VQSegLib.atomic_files import write_text
from VQSegLib.errors import ProjectError
from VQSegLib.project.cases import CASE_ID_PATTERN, RECORD_NAME, CaseRecord
from VQSegLib.project.stored_documents import DocumentReader
from VQSegLib.project.writing import only_writer, told_failures

_CASE_ID = re.compile(CASE_ID_PATTERN)


@dataclass(frozen=True)
class CaseListing:
    """All cases of a project.

    Attributes:
        records: Cases that can be used, in order of their id.
        damaged: Case id to one sentence for each that cannot be read.
    """

    records: tuple[CaseRecord, ...]
    damaged: dict[str, str]


class CaseStore:
    """Reads and replaces the records in the ``cases`` folder of a project."""

    def __init__(self, folder: Path) -> None:
        """Use ``folder``, which need not exist."""
        self.folder = folder
        self._reader = DocumentReader(CaseRecord)

    def list(self) -> CaseListing:
        """Read all cases; those read before and unchanged since are not read again.

        Raises:
            ProjectError: The folder itself cannot be read.
        """
        try:
            with os.scandir(self.folder) as entries:
                names = sorted(entry.name for entry in entries if entry.name.startswith("case-"))
        except FileNotFoundError:
            names = []
        except OSError as exc:
            msg = f"The project's folder '{self.folder}' cannot be read ({exc.strerror}); restore it from a backup."
            raise ProjectError(msg) from exc
        records: list[CaseRecord] = []
        damaged: dict[str, str] = {}
        prefix, suffix = f"{self.folder}{os.sep}", f"{os.sep}{RECORD_NAME}"
        for name in names:
            try:
                record = self._reader.read(f"{prefix}{name}{suffix}")
            except FileNotFoundError:
                # Removed by another program meanwhile, or a folder that someone copied in part.
                if self.path(name).is_dir():
                    damaged[name] = self._missing(name)
            except ProjectError as exc:
                damaged[name] = str(exc)
            else:
                if record.case_id == name:
                    records.append(record)
                else:
                    damaged[name] = f"The folder '{name}' holds {record.case_id}, a copy of that case; remove it."
        return CaseListing(tuple(records), damaged)

    def get(self, case_id: str) -> CaseRecord:
        """Return the record of one case.

        Raises:
            ProjectError: There is no such case, or its ``case.json`` is damaged or of another format version.
        """
        folder = self.existing_path(case_id)
        try:
            return self._reader.read(folder / RECORD_NAME)
        except FileNotFoundError as exc:
            raise ProjectError(self._missing(case_id)) from exc

    def path(self, case_id: str) -> Path:
        """Return the folder of a case, whether it exists or not."""
        return self.folder / case_id

    def existing_path(self, case_id: str) -> Path:
        """Return the folder of a case.

        Raises:
            ProjectError: There is no such case.
        """
        if not _CASE_ID.match(case_id) or not self.path(case_id).is_dir():
            msg = f"The project has no case '{case_id}'; list its cases with `vqseg cases list`."
            raise ProjectError(msg)
        return self.path(case_id)

    def write(self, record: CaseRecord) -> None:
        """Replace the record of a case in one step; the caller is the only writer."""
        write_text(self.path(record.case_id) / RECORD_NAME, record.model_dump_json(indent=2), folder=self.folder)

    def update(self, case_id: str, change: Callable[[CaseRecord], CaseRecord]) -> CaseRecord:
        """Change the record of one case.

        Args:
            case_id: Case.
            change: Gets the present record and returns the new one.

        Raises:
            ProjectError: There is no such case, it is damaged, or it cannot be written.
        """
        with only_writer(self.folder), told_failures(self.folder):
            before = self.get(case_id)
            after = change(before)
            if after != before:
                self.write(after)
        return after

    def _missing(self, case_id: str) -> str:
        file = self.path(case_id) / RECORD_NAME
        return f"Case '{case_id}' is incomplete ('{file}' is missing); restore it from a backup or remove the case."
