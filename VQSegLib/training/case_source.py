"""Where a run's cases come from: a project folder, or a reader of a published data set."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from VQSegLib.labels import LabelTable
from VQSegLib.project.cases import CaseRecord
from VQSegLib.volume import Volume


class CaseSource(Protocol):
    """What training and validation need of a project; a project is one."""

    @property
    def path(self) -> Path:
        """Where the cases lie, for messages."""

    @property
    def labels(self) -> LabelTable:
        """What the label values mean."""

    def cases(self) -> list[CaseRecord]:
        """Return all cases."""

    def load_image(self, case_id: str) -> Volume:
        """Load the image of a case."""

    def load_label(self, case_id: str, revision: int | None = None) -> Volume:
        """Load a label revision of a labeled case, the latest by default."""
