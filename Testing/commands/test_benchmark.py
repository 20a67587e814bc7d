"""`vqseg benchmark methods` from the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    "network.encoder.kind=conv",
    "network.encoder.channels=[8,16]",
    "data.patch_size=[16,16]",
    "data.batch_labeled=2",
    "data.batch_unlabeled=2",
    "device.accelerator=cpu",
    "device.threads=1",
)
SETTINGS = [part for setting in SMALL for part in ("--set", setting)]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Slices of ten patients in the form of lidc_slices.npz."""
    rng = np.random.default_rng(1)
    votes = np.zeros((10, 24, 24), np.uint8)
    votes[:, 8:14, 9:15] = 4
    images = (50 + 150 * (votes > 0) + rng.integers(0, 20, votes.shape)).astype(np.uint8)
    np.savez(tmp_path / "lidc_slices.npz", images=images, votes=votes, patient=np.array([f"P{n}" for n in range(10)]))
    return tmp_path / "lidc_slices.npz"


def test_the_table_is_printed_and_written(run_cli, archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out put"
    command = ("benchmark", "methods", "--data", archive, "--methods", "supervised,mcnet", "--labeled", "2")
    result = run_cli(*command, "--steps", "2", "--seeds", "1", "--output", output, *SETTINGS)
    assert result.returncode == 0, result.stderr
    assert [line.split("|")[1].strip() for line in result.stdout.splitlines() if line.startswith("|")][2:5] == [
        "UNet-F",
        "UNet-S",
        "MC-Net+",
    ]
    assert result.stdout.rstrip() == (output / "results.md").read_text(encoding="utf-8").rstrip()
    as_json = run_cli(*command, "--steps", "2", "--seeds", "1", "--output", output, *SETTINGS, "--json")
    assert json.loads(as_json.stdout)["planned"] == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--steps", "2", "--methods", "magic"), "magic"),
        (("--steps", "2", "--minutes", "1"), "--steps or --minutes"),
        ((), "--steps or --minutes"),
        (("--steps", "2", "--labeled", "many"), "5% or a number of cases from 1 to 7"),
        (("--steps", "2", "--set", "optimizer.kind=magic"), "optimizer.kind"),
        (("--steps", "2", "--rows", "missing.json"), "missing.json"),
    ],
)
def test_wrong_requests_are_refused(
    run_cli, assert_mistake, archive: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    assert_mistake(run_cli("benchmark", "methods", "--data", archive, "--output", tmp_path / "out", *arguments), words)


def test_a_path_without_data_is_refused(run_cli, assert_mistake, tmp_path: Path) -> None:
    assert_mistake(run_cli("benchmark", "methods", "--data", tmp_path, "--steps", "2"), "no data set")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_killed_and_started_again_it_goes_on(run_process, archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    arguments = ["benchmark", "methods", "--data", str(archive), "--methods", "supervised,mcnet", "--labeled", "2"]
    arguments += ["--steps", "20", "--seeds", "1", "--output", str(output), *SETTINGS]
    process = subprocess.Popen(
        [sys.executable, "-m", "VQSegLib.cli", *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    first = output / "runs" / "unet-f" / "100-percent-seed-0" / "result.json"
    deadline = time.monotonic() + 250
    while not first.is_file():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    before = first.stat().st_mtime_ns
    result = run_process(*arguments)
    assert result.returncode == 0, result.stderr
    assert "3 of 3 runs done" in result.stdout
    assert first.stat().st_mtime_ns == before
