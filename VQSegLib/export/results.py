"""What an export answers."""

from __future__ import annotations

from pydantic import Field

from VQSegLib.documents import Document


class ExportReport(Document):
    """Answer to ``cases export``."""

    output: str
    train: tuple[str, ...] = Field(default=(), description="Ids of the cases on the training side.")
    test: tuple[str, ...] = Field(default=(), description="Ids of the cases that are never trained on.")
    left_out: dict[str, str] = Field(default_factory=dict, description="Case id to the reason, one sentence.")
    notes: tuple[str, ...] = Field(default=(), description="What to know, one sentence each.")
