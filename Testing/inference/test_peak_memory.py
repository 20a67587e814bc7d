"""Peak memory of whole processes; the figures are those of docs and README."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("peak_memory.py")


def measure(*words_of_script: int | str) -> dict:
    words = [sys.executable, str(SCRIPT), *map(str, words_of_script)]
    answer = subprocess.run(
        words, capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "2"}
    )
    return json.loads(answer.stdout)


def test_memory_grows_little_with_the_number_of_slices():
    """80 more slices of 128 x 128 and 60 classes are 0.3 GB of float32 logits, which must not be held at once."""
    short, long = measure(16, 128, 128, 60, 2), measure(96, 128, 128, 60, 2)
    assert long["peak_gib"] - short["peak_gib"] < 0.15


def test_memory_of_uncertainty_grows_little_with_the_number_of_slices():
    """The maps need 6 bytes a voxel; probabilities of 60 classes and several decodes would need hundreds."""
    short, long = measure(8, 96, 96, 60, 2, "uncertainty"), measure(88, 96, 96, 60, 2, "uncertainty")
    assert long["peak_gib"] - short["peak_gib"] < 0.15


@pytest.mark.slow
def test_the_uncertainty_of_a_large_ct_stays_below_4_gib():
    assert measure(600, 512, 512, 8, 2, "uncertainty")["peak_gib"] < 4.0


@pytest.mark.slow
@pytest.mark.parametrize("dims", [2, 3])
def test_a_large_ct_with_eight_classes_stays_below_4_gib(dims):
    figures = measure(600, 512, 512, 8, dims)
    assert figures["peak_gib"] < 4.0
