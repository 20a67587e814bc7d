"""A tiny project, a parent that knows little, and a folder of its own for marks and measured times."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from VQSegLib.labels import Label, LabelTable
from VQSegLib.models.card import ModelCard, TrainingRecord
from VQSegLib.models.checkpoint import save_checkpoint
from VQSegLib.models.config import ConvEncoderConfig, NetworkConfig, PreprocessingConfig, QuantizerConfig
from VQSegLib.models.network import build_network
from VQSegLib.project.folder import Project
from VQSegLib.volume import Volume

LABELS = LabelTable(
    labels=(Label(value=2, name="Cord", color=(255, 0, 0)), Label(value=5, name="Larynx", color=(0, 255, 0)))
)
AFFINE = np.array([[-2.0, 0, 0, 20.0], [0, -2.0, 0, 20.0], [0, 0, 2.0, -10.0], [0, 0, 0, 1.0]])
TRAINING = {
    "method": {"name": "vqseg", "code_perturbation": {"refresh_steps": 10}},
    "optimizer": {"learning_rate": 0.02, "warmup_steps": 0},
    "data": {"patch_size": [8, 12, 12], "batch_labeled": 2, "batch_unlabeled": 2, "workers": 0},
}
QUICK = ("max_steps=6", "validation_interval=3", "log_interval=1", "data.workers=0", "device.threads=1")
"""Settings that make a run last a moment."""


def draw_scan(seed: int) -> tuple[Volume, Volume]:
    """Return a scan of 14 x 20 x 22 voxels and its label map: a bright cord and a brighter larynx."""
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 30, (14, 20, 22))
    label = np.zeros(image.shape, dtype=np.uint8)
    j, k = 4 + rng.integers(4), 3 + rng.integers(3)
    for value, place, level in ((5, np.s_[k : k + 6, j : j + 6, 4:10], 500), (2, np.s_[:, 13:17, 12:16], 900)):
        label[place] = value
        image[place] = rng.normal(level, 30, image[place].shape)
    return Volume(image.astype(np.int16), AFFINE), Volume(label, AFFINE)


@pytest.fixture(scope="session")
def make_scan() -> Callable[[int], tuple[Volume, Volume]]:
    """Return a builder of scans and label maps from a seed."""
    return draw_scan


@pytest.fixture(autouse=True)
def machine_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep marks and measured times of this test apart from those of others and of the user."""
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "own machine"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path / "own machine"


@pytest.fixture(scope="session")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model file of a small 3-D network with random weights that says how it would have been trained."""
    torch.manual_seed(0)
    network = NetworkConfig(
        spatial_dims=3,
        num_classes=3,
        encoder=ConvEncoderConfig(channels=(8, 16), strides=((1, 1, 1), (2, 2, 2))),
        quantizer=QuantizerConfig(codebook_size=16, code_dim=4),
    )
    card = ModelCard(
        name="weak",
        network=network,
        preprocessing=PreprocessingConfig(patch_size=(8, 12, 12)),
        labels=LABELS,
        training=TrainingRecord(method="vqseg", config=TRAINING),
    )
    path = tmp_path_factory.mktemp("parent") / "weak.safetensors"
    save_checkpoint(path, build_network(network), card)
    return path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two labeled and one unlabeled scan, in a folder with spaces and an umlaut."""
    made = Project.create(tmp_path / "Köpfe und Hälse", LABELS)
    for seed in range(2):
        made.add_case(*draw_scan(seed))
    made.add_case(draw_scan(10)[0], None)
    return made


def wait_until(is_so: Callable[[], bool], timeout_seconds: float = 240.0) -> None:
    """Wait for another process."""
    deadline = time.monotonic() + timeout_seconds
    while not is_so():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.05)


@pytest.fixture(scope="session", name="wait_until")
def _wait_until() -> Callable[..., None]:
    return wait_until
