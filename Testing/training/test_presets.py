"""Presets are complete configurations, down to network and optimizer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from VQSegLib.labels import Label, LabelTable
from VQSegLib.methods import build_method
from VQSegLib.methods.vqseg_config import VQSegConfig, release_preset
from VQSegLib.models.config import Dinov2EncoderConfig
from VQSegLib.models.network import build_network
from VQSegLib.project.folder import Project
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.presets import PRESETS
from VQSegLib.training.request import TrainingRequest, build_config
from VQSegLib.training.schedule import build_optimizer


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "project", LabelTable(labels=(Label(value=1, name="Lesion", color=(9, 9, 9)),)))


def ask(project: Project, preset: str, config: Path | None = None, *settings: str) -> TrainingConfig:
    return build_config(project, TrainingRequest(method=preset, config=config, settings=settings), project.path)


def test_the_release_preset_is_dinov2_with_a_slow_encoder(project: Project) -> None:
    config = ask(project, "vqseg-release")
    assert config.method == release_preset()
    assert isinstance(config.network.encoder, Dinov2EncoderConfig)
    assert (config.network.quantizer.codebook_size, config.network.quantizer.code_dim) == (16384, 384)
    assert config.optimizer.learning_rate * config.optimizer.encoder_factor == pytest.approx(5e-6)
    assert (config.data.batch_labeled, config.data.batch_unlabeled, config.data.patch_size) == (8, 4, (224, 224))


def test_the_paper_preset_is_sgd_on_the_whole_objective(project: Project) -> None:
    config = ask(project, "vqseg-paper")
    assert config.method == VQSegConfig()
    assert config.network.quantizer.codebook_size == 16384
    assert (config.optimizer.kind, config.optimizer.learning_rate, config.optimizer.weight_decay) == ("sgd", 1e-4, 3e-5)


def test_a_file_and_single_settings_win_over_a_preset(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "part.json"
    file.write_text(json.dumps({"optimizer": {"learning_rate": 0.01}}), encoding="utf-8")
    config = ask(project, "vqseg-paper", file, "data.batch_labeled=1", "method.consistency_weight=5")
    assert (config.optimizer.learning_rate, config.optimizer.kind) == (0.01, "sgd")
    assert (config.data.batch_labeled, config.data.batch_unlabeled) == (1, 4)
    assert config.method.consistency_weight == 5


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_presets_build(project: Project, preset: str) -> None:
    config = ask(project, preset, None, "network.quantizer.codebook_size=32")
    network = build_network(config.method.adapt_network(config.network))
    method = build_method(config.method, network, config.preprocessing, 10)
    assert method.config == config.method


def test_the_nnunet_preset_is_its_recipe(project: Project) -> None:
    config = ask(project, "nnunet", None, "network.spatial_dims=3")
    assert config.method.name == "nnunet_recipe"
    optimizer = build_optimizer(torch.nn.Linear(2, 2), config.optimizer)
    assert isinstance(optimizer, torch.optim.SGD)
    assert (optimizer.defaults["momentum"], optimizer.defaults["nesterov"]) == (0.99, True)
    assert config.augmentation.rotation_degrees == 30
