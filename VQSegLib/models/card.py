"""The model card: everything a model file says about itself, stored as JSON in its header."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, Field, JsonValue, StringConstraints, model_validator

from VQSegLib import __version__
from VQSegLib.documents import Document
from VQSegLib.labels import LabelTable
from VQSegLib.models.config import NetworkConfig, PreprocessingConfig

FORMAT_VERSION = 1
"""Version of the model file format; raised when an older VQSeg could no longer read the file correctly."""

INTENDED_USE = "Research use only; not a medical device. Every result must be checked by a qualified person."

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Scores(Document):
    """Mean metrics over the cases of one split, for example ``{"dice": 0.78, "hd95_mm": 4.2}``."""

    split: str = Field(description="Which cases: 'validation' (used for selection), 'test' or 'held_out'.")
    cases: int = Field(ge=1, description="Number of cases the means are over.")
    mean: dict[str, float | None] = Field(description="Metric name to mean over labels and cases; null: undefined.")
    per_label: dict[str, dict[str, float | None]] = Field(
        default_factory=dict, description="Label name to its metrics, each the mean over cases; null: undefined."
    )


class TrainingRecord(Document):
    """How the weights came about."""

    method: str = Field(description="Training method, for example 'vqseg' or 'supervised'.")
    command: str = Field(default="", description="Command line that started the run.")
    config: dict[str, JsonValue] = Field(default_factory=dict, description="Complete training configuration.")
    seed: int | None = None
    steps: int = Field(default=0, ge=0, description="Optimizer steps until the saved weights.")
    labeled_cases: int = Field(default=0, ge=0)
    unlabeled_cases: int = Field(default=0, ge=0)
    validation_cases: int = Field(default=0, ge=0)
    image_sha256: tuple[Sha256, ...] = Field(default=(), description="SHA-256 of each training image file.")
    unlabeled_voxel_sha256: tuple[Sha256, ...] = Field(
        default=(), description="SHA-256 over the voxels of each scan of the unlabeled pool."
    )
    label_sha256: tuple[Sha256, ...] = Field(default=(), description="SHA-256 of each training label file.")
    teacher: str = Field(default="off", description="Frozen foundation teacher of the feature adapter (PFA), or 'off'.")


class ModelReference(Document):
    """Another model file."""

    name: str
    sha256: Sha256 = Field(description="Content hash, as ``Model.sha256`` gives it.")


class ModelCard(Document):
    """What a model is, what it was trained on and how good it is."""

    format_version: int = FORMAT_VERSION
    vqseg_version: str = __version__
    name: str = Field(min_length=1)
    description: str = ""
    created: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    network: NetworkConfig
    preprocessing: PreprocessingConfig
    labels: LabelTable
    training: TrainingRecord | None = Field(default=None, description="null: not known, for example imported.")
    validation: Scores | None = None
    test: Scores | None = None
    held_out: Scores | None = Field(default=None, description="On held-out cases of the project it was trained in.")
    parent: ModelReference | None = Field(default=None, description="Model the training started from.")
    license: str = Field(default="", description="SPDX identifier of the weights, or a sentence.")
    citation: str = ""
    intended_use: str = INTENDED_USE

    @model_validator(mode="after")
    def _check_labels(self) -> ModelCard:
        if self.labels.num_classes != self.network.num_classes:
            msg = (
                f"the label table has {self.labels.num_classes} classes with background, "
                f"the network {self.network.num_classes}; they must agree"
            )
            raise ValueError(msg)
        names = {label.name for label in self.labels.labels}
        for scores in (self.validation, self.test, self.held_out):
            unknown = sorted(set(scores.per_label) - names) if scores else []
            if unknown:
                msg = f"{scores.split if scores else ''} scores name labels the table lacks: {', '.join(unknown)}"
                raise ValueError(msg)
        return self
