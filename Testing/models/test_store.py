"""Listing the model files of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from VQSegLib.errors import ModelFileError
from VQSegLib.labels import Label, LabelTable
from VQSegLib.models.card import ModelCard
from VQSegLib.models.checkpoint import save_checkpoint
from VQSegLib.models.config import NetworkConfig, PreprocessingConfig
from VQSegLib.models.store import list_models


def test_models_are_listed_by_name_and_damaged_ones_with_their_reason(tmp_path: Path) -> None:
    card = ModelCard(
        name="first",
        network=NetworkConfig(num_classes=2),
        preprocessing=PreprocessingConfig(),
        labels=LabelTable(labels=(Label(value=1, name="A", color=(1, 2, 3)),)),
    )
    save_checkpoint(tmp_path / "b.safetensors", torch.nn.Linear(1, 1), card)
    (tmp_path / "a.safetensors").write_text("not a model")
    (tmp_path / ".c.safetensors").write_text("being written")
    (tmp_path / "notes.txt").write_text("")
    damaged, good = list_models(tmp_path)
    assert (good.path.name, good.card, good.problem) == ("b.safetensors", card, None)
    assert damaged.card is None
    assert "is not a VQSeg model file" in str(damaged.problem)


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="There is no folder"):
        list_models(tmp_path / "none")
