"""What an evaluation returns: documents that can be read back from their JSON.

Infinite and missing numbers are written as the strings ``"Infinity"`` and ``"NaN"``, which strict JSON allows.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from VQSegLib.documents import Document

Unit = Literal["mm", "voxel"]
Presence = Literal["both", "missed", "spurious", "absent"]


class _Result(Document):
    model_config = ConfigDict(ser_json_inf_nan="strings")


class EvaluationSettings(Document):
    """How distances are measured."""

    unit: Unit = Field(
        default="mm", description="mm: by the voxel spacing; voxel: spacing (1, 1, 1), as most papers of this field do."
    )
    tolerance: float = Field(default=2.0, ge=0.0, description="Tolerance of surface Dice, in the unit.")

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Names of the metrics in the order of the table; distances carry their unit."""
        distances = tuple(f"{name}_{self.unit}" for name in ("hd95", "asd", "assd"))
        return ("dice", "jaccard", *distances, f"surface_dice_at_{self.tolerance:g}_{self.unit}")


class Mean(_Result):
    """Mean of one metric over labels or over cases."""

    mean: float = Field(description="Mean; Infinity if one distance is (a structure only one label map has).")
    finite_mean: float = Field(description="Mean without the infinite ones: flattering, read it beside 'infinite'.")
    counted: int = Field(description="How many values went into the mean; absent labels do not.")
    infinite: int = Field(description="How many scores of one label in one case below this mean are infinite.")


class LabelScores(_Result):
    """One structure in one case."""

    value: int
    name: str
    presence: Presence = Field(
        description="both; missed: only in the reference; spurious: only in the prediction; absent: in neither."
    )
    prediction_voxels: int
    reference_voxels: int
    scores: dict[str, float] = Field(
        description="By metric name; NaN if absent, distances Infinity if in one map only."
    )


class CaseScores(_Result):
    """One pair of label maps."""

    case_id: str
    labels: tuple[LabelScores, ...]
    means: dict[str, Mean] = Field(description="By metric name: mean over the labels that are not absent.")
    unknown_in_prediction: tuple[int, ...] = Field(description="Values the label table lacks; they are not scored.")
    unknown_in_reference: tuple[int, ...] = Field(description="Values the label table lacks; they are not scored.")


class LabelSummary(_Result):
    """One structure over all cases; the four counts add up to the number of cases."""

    value: int
    name: str
    both: int
    missed: int
    spurious: int
    absent: int
    means: dict[str, Mean] = Field(description="By metric name: mean over the cases where the label is not absent.")


class Evaluation(_Result):
    """All cases: per case and label, and their means."""

    settings: EvaluationSettings
    cases: tuple[CaseScores, ...]
    labels: tuple[LabelSummary, ...]
    means: dict[str, Mean] = Field(description="By metric name: mean over cases of each case's mean over labels.")
    without_prediction: tuple[str, ...] = Field(default=(), description="References no prediction was found for.")
    without_reference: tuple[str, ...] = Field(default=(), description="Predictions no reference was found for.")
