"""`vqseg train` from project to model file, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from VQSegLib.image_files import load_volume
from VQSegLib.labels import LabelTable
from VQSegLib.methods import METHODS
from VQSegLib.models.checkpoint import read_card
from VQSegLib.project.folder import Project
from VQSegLib.training.presets import PRESETS
from VQSegLib.volume import Volume

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    "max_steps=2",
    "validation_interval=2",
    "log_interval=1",
    "data.patch_size=[16,16]",
    "data.workers=0",
    "network.encoder.channels=[8,16]",
    "network.quantizer.codebook_size=8",
    "network.quantizer.code_dim=4",
    "device.accelerator=cpu",
    "device.threads=1",
)
SETTINGS = [part for setting in SMALL for part in ("--set", setting)]


@pytest.fixture
def project(tmp_path: Path, tiny_labels: LabelTable) -> Path:
    """A project with two labeled training scans, one unlabeled and one for validation."""
    project = Project.create(tmp_path / "project", tiny_labels)
    rng = np.random.default_rng(1)
    for split, is_labeled in (("train", True), ("train", True), ("train", False), ("validation", True)):
        label = np.zeros((4, 24, 24), np.uint8)
        label[1:3, 4:12, 4:12], label[1:3, 12:20, 12:20] = 2, 5
        image = Volume((label * 100 + rng.integers(-50, 50, label.shape)).astype(np.int16), np.eye(4))
        project.add_case(image, image.with_array(label) if is_labeled else None, split=split)
    return project.path


def test_trained_model_segments_and_tells_how_it_was_made(run_process, project: Path, scan: Path) -> None:
    run = project / "runs" / "first"
    result = run_process("train", project, "--output", run, "--method", "vqseg", *SETTINGS, "--json")
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["best_step"] == 2
    assert 0.0 <= answer["validation_dice"] <= 1.0
    model = Path(answer["model"])
    card = json.loads(run_process("models", "show", model, "--json").stdout)
    assert (card["training"]["labeled_cases"], card["training"]["unlabeled_cases"]) == (2, 1)
    assert str(project.parent) not in json.dumps(card)
    output = scan.with_name("out.nii.gz")
    assert run_process("segment", scan, "--model", model, "--output", output).returncode == 0
    assert load_volume(output).has_geometry_of(load_volume(scan))


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_trains_in_two_and_three_dimensions(run_cli, project: Path, method: str, dims: int) -> None:
    size = "data.patch_size=[16,16]" if dims == 2 else "data.patch_size=[4,16,16]"
    chosen = ("--method", method, *SETTINGS, "--set", f"network.spatial_dims={dims}", "--set", size)
    result = run_cli("train", project, "--output", project / "runs" / "any", *chosen, "--json")
    assert result.returncode == 0, result.stderr
    card = read_card(Path(json.loads(result.stdout)["model"]))
    assert (card.training.method, card.network.spatial_dims, card.training.steps) == (method, dims, 2)
    assert (card.network.quantizer is not None) == (method == "vqseg")


def test_help_names_every_method_and_preset(run_cli) -> None:
    words = set(re.findall(r"[a-z0-9_-]+", run_cli("train", "--help").stdout))
    assert {*METHODS, *PRESETS} <= words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--method", "magic"), "magic"),
        (("--set", "max_steps"), "optimizer.learning_rate=0.001"),
        (("--set", "max_steps=0"), "max_steps"),
        (("--config", "no_such_config.json"), "no_such_config.json"),
        (("--resume",), "--output"),
    ],
)
def test_wrong_request_is_refused(
    run_cli, assert_mistake, project: Path, arguments: tuple[str, ...], words: str
) -> None:
    assert_mistake(run_cli("train", project, *arguments), words)
    assert list((project / "runs").iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl-C to a single process group")
def test_ctrl_c_as_a_terminal_sends_it_saves_the_state_and_the_run_goes_on(run_process, project: Path) -> None:
    run = project / "runs" / "first"
    settings = [*SETTINGS, "--set", "data.workers=1", "--set", "max_steps=30", "--set", "validation_interval=30"]
    command = [sys.executable, "-m", "VQSegLib.cli", "train", str(project), "--output", str(run), *settings]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE, text=True)
    while not (run / "events.jsonl").exists() or not (run / "events.jsonl").stat().st_size:
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 130, told
    assert "--resume" in told
    result = run_process("train", project, "--output", run, "--resume", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["best_step"] == 30
