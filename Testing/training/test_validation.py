"""Validation scores every case in its own geometry, through the predictor."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from VQSegLib.errors import Cancelled
from VQSegLib.models.config import NetworkConfig, PreprocessingConfig
from VQSegLib.models.protocol import InMemoryModel
from VQSegLib.project.cases import Split
from VQSegLib.project.folder import Project
from VQSegLib.training.validation import ValidationScores, validate

PREPROCESSING = PreprocessingConfig(window_low=-1000, window_high=1000, patch_size=(8, 12, 12))


class Thresholds(nn.Module):
    """Tells the phantom's structures by brightness: cord 800 HU; glands 400 HU, left and right of the middle."""

    def __init__(self, *, swapped: bool) -> None:
        super().__init__()
        self.swapped = swapped

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hu = x[:, 0] * 1000
        cord, gland = hu > 600, (hu > 200) & (hu <= 600)
        side = torch.linspace(0, 1, x.shape[-1]).expand_as(hu)
        logits = [~cord & ~gland, gland & (side < 0.5), cord, gland & (side >= 0.5)]
        if self.swapped:
            logits[1], logits[3] = logits[3], logits[1]
        return torch.stack([part.float() for part in logits], dim=1)


def candidate(project: Project, *, swapped: bool = False) -> InMemoryModel:
    network = NetworkConfig(spatial_dims=3, num_classes=4)
    whole = PREPROCESSING.model_copy(update={"patch_size": None})
    return InMemoryModel(Thresholds(swapped=swapped), network, whole, project.labels)


def test_a_right_segmentation_scores_high_for_each_label(project: Project) -> None:
    records = project.cases(split=Split.VALIDATION)
    scores = validate(project, records, candidate(project), "cpu", "float32")
    assert set(scores.per_label) == {"Right gland", "Cord", "Left gland"}
    assert all(value > 0.95 for value in scores.per_label.values())
    assert scores.mean == pytest.approx(sum(scores.per_label.values()) / 3)


def test_labels_on_the_wrong_side_score_nothing(project: Project) -> None:
    records = project.cases(split=Split.VALIDATION)
    scores = validate(project, records, candidate(project, swapped=True), "cpu", "float32").per_label
    assert scores["Right gland"] < 0.05
    assert scores["Left gland"] < 0.05
    assert scores["Cord"] > 0.95


def test_the_user_can_stop_it(project: Project) -> None:
    records = project.cases(split=Split.VALIDATION)
    with pytest.raises(Cancelled):
        validate(project, records, candidate(project), "cpu", "float32", lambda: True)


def test_labels_that_occur_in_no_case_do_not_count() -> None:
    assert ValidationScores({"a": 0.5, "b": math.nan, "c": 0.7}).mean == pytest.approx(0.6)
    assert math.isnan(ValidationScores({"a": math.nan}).mean)
    assert math.isnan(ValidationScores({}).mean)
