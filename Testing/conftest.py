"""A tiny model, a small scan and two ways to run the command line."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from VQSegLib.labels import Label, LabelTable

if TYPE_CHECKING:
    from VQSegLib.project.folder import Project

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def tiny_labels() -> LabelTable:
    """Two structures; the values are not the class numbers."""
    return LabelTable(
        labels=(Label(value=2, name="Cord", color=(255, 0, 0)), Label(value=5, name="Larynx", color=(0, 255, 0)))
    )


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, tiny_labels: LabelTable) -> Path:
    """Model file of a very small 2-D network with random weights."""
    import torch

    from VQSegLib.models.card import ModelCard
    from VQSegLib.models.checkpoint import save_checkpoint
    from VQSegLib.models.config import ConvEncoderConfig, NetworkConfig, PreprocessingConfig, QuantizerConfig
    from VQSegLib.models.network import build_network

    torch.manual_seed(0)
    network = NetworkConfig(
        num_classes=3,
        encoder=ConvEncoderConfig(channels=(8, 16), strides=((1, 1), (2, 2))),
        quantizer=QuantizerConfig(codebook_size=8, code_dim=4),
    )
    card = ModelCard(name="tiny", network=network, preprocessing=PreprocessingConfig(), labels=tiny_labels)
    path = tmp_path_factory.mktemp("tiny model") / "tiny.safetensors"
    save_checkpoint(path, build_network(network), card)
    return path


@pytest.fixture
def project(tmp_path: Path, tiny_labels: LabelTable, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Project with one labeled case and a model in use, on a machine of its own; the process of a run stands still."""
    import psutil

    from VQSegLib.project.folder import Project
    from VQSegLib.runs import start as start_module
    from VQSegLib.volume import Volume

    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "own machine"))
    monkeypatch.setattr(start_module, "start_detached", lambda *_: psutil.Process())
    made = Project.create(tmp_path / "Projekt", tiny_labels)
    image = Volume(np.random.default_rng(0).integers(-1000, 1000, (4, 24, 32), dtype=np.int16), np.eye(4))
    label = np.zeros((4, 24, 32), np.uint8)
    label[:, 4:9, 4:9] = 2
    made.add_case(image, image.with_array(label))
    made.models.promote(made.models.add(tiny_model), rule="test")
    return made


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """CT-like image file of 6 x 24 x 32 voxels in a folder with a space and an umlaut."""
    from VQSegLib.image_files import save_volume
    from VQSegLib.volume import Volume

    array = np.random.default_rng(7).integers(-1000, 1000, (6, 24, 32), dtype=np.int16)
    affine = np.array([[-1.5, 0, 0, 10.0], [0, -1.5, 0, 20.0], [0, 0, 3.0, -30.0], [0, 0, 0, 1.0]])
    folder = tmp_path / "Bilder für CT"
    folder.mkdir()
    save_volume(folder / "scan.nii.gz", Volume(array, affine))
    return folder / "scan.nii.gz"


@pytest.fixture
def run_process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `vqseg` as a process of its own, the way a user does."""

    def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "VQSegLib.cli", *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1", **environment},
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=300,
        )

    return run


@pytest.fixture
def run_cli(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., SimpleNamespace]]:
    """Run `vqseg` inside this process, which is faster; logging and warnings are put back afterwards."""
    from VQSegLib.cli import main

    logger, root = logging.getLogger("VQSegLib"), logging.getLogger()
    before = logger.handlers, logger.propagate, list(root.handlers)

    def run(*arguments: str | Path) -> SimpleNamespace:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return SimpleNamespace(returncode=status, stdout=captured.out, stderr=captured.err)

    with warnings.catch_warnings():
        yield run
    logger.handlers, logger.propagate, root.handlers[:] = before[0], before[1], before[2]


@pytest.fixture
def assert_mistake() -> Callable[..., None]:
    """Assert that a command ended as a user's mistake must: exit 2, nothing on stdout, one sentence on stderr."""

    def check(result: SimpleNamespace | subprocess.CompletedProcess[str], *words: str) -> None:
        assert result.returncode == 2, result.stderr
        assert result.stdout == ""
        assert len(result.stderr.splitlines()) == 1, result.stderr
        for word in words:
            assert word in result.stderr

    return check
