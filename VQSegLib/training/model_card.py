"""The card of a trained model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from VQSegLib.methods.vqseg_config import VQSegConfig
from VQSegLib.models.card import ModelCard, ModelReference, Scores, TrainingRecord
from VQSegLib.models.checkpoint import Model
from VQSegLib.models.config import NetworkConfig
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.splits import TrainingCases
from VQSegLib.training.validation import ValidationScores


def build_card(
    config: TrainingConfig,
    cases: TrainingCases,
    network: NetworkConfig,
    best: dict[str, Any],
    command: str,
    *,
    parent: Model | None = None,
    held_out: Scores | None = None,
) -> ModelCard:
    """Return the card of the weights in ``best`` (``step`` and validation Dice ``per_label``)."""
    teacher = config.method.foundation_teacher if isinstance(config.method, VQSegConfig) else None
    return ModelCard(
        name=config.name,
        description=config.description,
        network=network,
        preprocessing=config.preprocessing,
        labels=cases.labels,
        training=TrainingRecord(
            method=config.method.name,
            command=command,
            config=_without_paths(config).model_dump(mode="json"),
            seed=config.seed,
            steps=best["step"],
            labeled_cases=len(cases.labeled),
            unlabeled_cases=len(cases.unlabeled),
            validation_cases=len(cases.validation),
            image_sha256=tuple(record.image.sha256 for record in (*cases.labeled, *cases.unlabeled)),
            unlabeled_voxel_sha256=tuple(record.image.voxel_sha256 for record in cases.unlabeled),
            label_sha256=tuple(record.labels[-1].sha256 for record in cases.labeled),
            teacher=teacher or "off",
        ),
        validation=_validation_scores(best["per_label"], len(cases.validation)),
        held_out=held_out,
        parent=None if parent is None else ModelReference(name=parent.card.name, sha256=parent.sha256),
    )


def _without_paths(config: TrainingConfig) -> TrainingConfig:
    """Return the configuration as others may see it: a card says nothing of the machine it was made on."""
    return config.model_copy(update={"parent": None if config.parent is None else Path(config.parent).name})


def _validation_scores(per_label: dict[str, float], cases: int) -> Scores | None:
    if not cases:
        return None
    mean = ValidationScores(per_label).mean
    return Scores(
        split="validation",
        cases=cases,
        mean={"dice": _number(mean)},
        per_label={name: {"dice": _number(value)} for name, value in per_label.items()},
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
