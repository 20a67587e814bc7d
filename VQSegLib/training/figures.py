"""Two models in figures, and what follows from them: documents that can be shown, kept and sent."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from VQSegLib.documents import Document

Proposer = Literal["old", "new", "other", "none"]


class Paired(Document):
    """One metric of both models; means are over cases (and labels) where it is defined for both."""

    old: float | None
    new: float | None
    difference: float | None = Field(description="Mean of new minus old.")
    low: float | None = Field(description="Lower end of the 95 % interval of the difference; null: too few patients.")
    high: float | None


class LabelComparison(Document):
    """One structure over all held-out cases."""

    value: int
    name: str
    cases: int = Field(description="Cases that show it in the accepted label map or in a prediction.")
    dice: Paired
    hd95_mm: Paired
    old_missed: int = Field(description="Cases in which the old model found nothing of it.")
    new_missed: int


class CaseComparison(Document):
    """One held-out case."""

    case_id: str
    old_dice: float | None
    new_dice: float | None
    old_wrong_voxels: int
    new_wrong_voxels: int
    proposed_by: Proposer = Field(description="Whose proposal the accepted label map began as.")
    changed_voxels: int | None = Field(description="Voxels the clinician changed in that proposal; null: not known.")


class Figures(Document):
    """Everything that is known about two models on the held-out cases."""

    patients: int
    cases: tuple[CaseComparison, ...]
    dice: Paired
    hd95_mm: Paired
    labels: tuple[LabelComparison, ...]


class Verdict(StrEnum):
    """What the rule says about a new model."""

    NOT_WORSE = "not_worse"
    WORSE = "worse"
    UNDECIDED = "undecided"


class ComparedModel(Document):
    """One of two models."""

    name: str
    sha256: str


class Comparison(Document):
    """Two models on the held-out cases, and what follows from it."""

    old: ComparedModel
    new: ComparedModel
    figures: Figures
    verdict: Verdict
    sentence: str = Field(description="Verdict with its figures and reasons.")
    notes: tuple[str, ...] = Field(description="What the figures cannot tell, one sentence each.")
    rule: str = Field(description="The rule in words.")
