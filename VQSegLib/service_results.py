"""What the service answers: documents for programs, and the progress callback."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from VQSegLib.documents import Document
from VQSegLib.labels import Label, LabelTable
from VQSegLib.models.card import Scores

if TYPE_CHECKING:
    from VQSegLib.models.checkpoint import Model
    from VQSegLib.models.store import ModelEntry
    from VQSegLib.volume import Volume

OnProgress = Callable[[float, str, float | None], None]
"""Called with the fraction done (0..1), the stage in words, and the seconds left (None while unknown)."""


class LabelVolume(Document):
    """Size of one structure in a label map."""

    value: int
    name: str
    voxels: int
    volume_ml: float


@dataclass(frozen=True)
class SegmentedVolume:
    """A scan segmented in memory.

    Attributes:
        label_map: uint8 values of the model's label table, in the geometry of the scan.
        model: Model that did it.
        device: Device it ran on.
        precision: "float32" or "bfloat16".
        seconds: Wall time.
        seconds_by_stage: Wall time of each stage.
        notes: What did not go as asked, one sentence each.
    """

    label_map: Volume
    model: Model
    device: str
    precision: str
    seconds: float
    seconds_by_stage: dict[str, float]
    notes: tuple[str, ...]


class SegmentationResult(Document):
    """Answer to ``segment``."""

    output: str
    model: str
    model_sha256: str
    device: str
    precision: str
    seconds: float = Field(description="Wall time of loading, segmenting and saving.")
    notes: tuple[str, ...] = Field(description="What did not go as asked, one sentence each.")
    labels: tuple[LabelVolume, ...]


class ModelSummary(Document):
    """One model file of a list; ``problem`` says why it cannot be used."""

    path: str
    name: str | None = None
    spatial_dims: int | None = None
    labels: tuple[str, ...] = ()
    method: str | None = None
    validation_dice: float | None = None
    problem: str | None = None


class ModelDescription(Document):
    """One model as a person chooses it; ``problem`` says why it cannot be used."""

    id: str = Field(description="What ``segment`` takes: name of a shipped model, or path of a file.")
    name: str
    description: str = ""
    labels: tuple[Label, ...] = ()
    validation: Scores | None = None
    path_name: str = Field(description="Name of the file.")
    problem: str | None = None


class VerifiedModel(Document):
    """Answer to ``verify``: the file is whole and its weights fit its network."""

    path: str
    name: str
    sha256: str = Field(description="Content hash over card and tensors.")


class ImportedCases(Document):
    """Answer to ``cases import``; the keys come from file names and are told to the user only, never stored."""

    imported: dict[str, str] = Field(description="Source key to case id.")
    failed: dict[str, str] = Field(description="Source key to the reason it was not imported.")
    is_stopped: bool = Field(default=False, description="Stopped as asked; what was imported until then stays.")


class TrainedModel(Document):
    """Answer to ``train``."""

    model: str
    best_step: int
    validation_dice: float | None = Field(description="Mean Dice of the kept weights; null without validation cases.")
    curves: str


def measure_labels(label_map: Volume, table: LabelTable) -> tuple[LabelVolume, ...]:
    """Return voxel count and volume of every label of the table."""
    # One slice at a time: bincount makes 64-bit integers of what it is given.
    counts = np.sum([np.bincount(plane.ravel(), minlength=256) for plane in label_map.array], axis=0)
    voxel_ml = math.prod(label_map.spacing_mm_kji) / 1000.0
    return tuple(
        LabelVolume(
            value=label.value,
            name=label.name,
            voxels=int(counts[label.value]),
            volume_ml=round(float(counts[label.value] * voxel_ml), 3),
        )
        for label in table.labels
    )


def summarize_model(entry: ModelEntry) -> ModelSummary:
    """Return the line of a model list."""
    card = entry.card
    if card is None:
        return ModelSummary(path=str(entry.path), problem=entry.problem)
    return ModelSummary(
        path=str(entry.path),
        name=card.name,
        spatial_dims=card.network.spatial_dims,
        labels=tuple(label.name for label in card.labels.labels),
        method=card.training.method if card.training else None,
        validation_dice=card.validation.mean.get("dice") if card.validation else None,
    )


def describe_model(entry: ModelEntry, *, is_shipped: bool) -> ModelDescription:
    """Return what a person needs to choose a model."""
    path = Path(entry.path)
    model_id = path.stem if is_shipped else str(path)
    if entry.card is None:
        return ModelDescription(id=model_id, name=path.stem, path_name=path.name, problem=entry.problem)
    return ModelDescription(
        id=model_id,
        name=entry.card.name,
        description=entry.card.description,
        labels=entry.card.labels.labels,
        validation=entry.card.validation,
        path_name=path.name,
    )
