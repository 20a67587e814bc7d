"""Tiny data sets in the formats of the readers, and results made up to be checked by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from VQSegLib.comparison.results import METRICS, CaseScore, RunResult

SMALL = {
    "network": {"encoder": {"kind": "conv", "channels": [8, 16]}, "quantizer": {"codebook_size": 8, "code_dim": 4}},
    "data": {"patch_size": [16, 16], "batch_labeled": 2, "batch_unlabeled": 2},
    "device": {"accelerator": "cpu", "threads": 1},
}


@pytest.fixture(scope="session")
def small() -> dict[str, object]:
    """Part of a configuration that trains in no time."""
    return SMALL


@pytest.fixture(scope="session")
def lidc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Archive like ``lidc_slices.npz`` of 20 patients with one to three slices of 24 x 24 pixels."""
    rng = np.random.default_rng(0)
    patients = [f"LIDC-IDRI-{1 + index // 2:04d}" for index in range(40)]
    votes = np.zeros((40, 24, 24), np.uint8)
    for index in range(40):
        j, i = rng.integers(6, 14, 2)
        votes[index, j : j + 6, i : i + 6] = 3
        votes[index, j - 1, i] = 1
    images = (60 + 120 * (votes >= 2) + rng.integers(0, 20, votes.shape)).astype(np.uint8)
    path = tmp_path_factory.mktemp("Daten für LIDC") / "lidc_slices.npz"
    np.savez_compressed(path, images=images, patient=np.array(patients), votes=votes)
    return path


@pytest.fixture(scope="session")
def make_result() -> Callable[..., RunResult]:
    """Build the result of a run whose cases have the Dice values given; the other metrics follow from them."""

    def make(row: str, dice: list[float], seed: int = 0, budget: str = "5%", **fields: object) -> RunResult:
        cases = tuple(
            CaseScore(
                case_id=f"case-{index}",
                missed=int(value == 0),
                scores=dict(zip(METRICS, (value, value / 2, 10 - 10 * value, 5 - 5 * value), strict=True)),
            )
            for index, value in enumerate(dice)
        )
        values = {"row": row, "budget": budget, "labeled": 1, "seed": seed, "steps": 5}
        return RunResult.model_validate({**values, "cases": {"plain": cases, "largest_component": cases}, **fields})

    return make
