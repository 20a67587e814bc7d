"""The benchmark of inference."""

import numpy as np
import pytest
import torch

from VQSegLib.benchmarks import inference
from VQSegLib.benchmarks.contenders import CONTENDERS, NnUNet, count_windows
from VQSegLib.benchmarks.inference import InferenceSettings, benchmark_inference
from VQSegLib.benchmarks.report import Ratio
from VQSegLib.inference.predictor import Predictor
from VQSegLib.volume import Volume

CPU = torch.device("cpu")
INSTALLED = [name for name in CONTENDERS if name != "nnU-Net" or NnUNet.is_installed()]


@pytest.mark.parametrize("name", INSTALLED)
def test_every_contender_answers_the_same_mask(small_model, small_scan, name):
    expected = Predictor(small_model, device="cpu", precision="float32").predict(small_scan).label_map.array
    assert set(np.unique(expected)) > {0}
    found = CONTENDERS[name](small_model, "float32", 2, CPU).segment(small_scan)
    # MONAI samples its Gaussian in another way, which shows in windows as small as these.
    assert np.mean(found == expected) > (0.95 if name == "MONAI" else 0.999)


@pytest.mark.parametrize("name", INSTALLED)
def test_every_contender_masters_slices(small_released_model, name):
    flat = small_released_model
    flat.network.eval()
    flat.preprocessing = flat.preprocessing.model_copy(update={"patch_size": (28, 28), "overlap": 0.0})
    scan = Volume(np.random.default_rng(0).integers(-900, 900, (3, 28, 28), dtype=np.int16), np.diag([2.0, 2, 3, 1]))
    expected = Predictor(flat, device="cpu", precision="float32").predict(scan).label_map.array
    found = CONTENDERS[name](flat, "float32", 2, CPU).segment(scan)
    assert np.mean(found == expected) > 0.999
    assert count_windows(name, flat, scan) == 3


def test_the_products_of_attention_are_counted(small_released_model):
    one, four = (
        inference._count_gflop(small_released_model, torch.randn(1, 3, side, side)) for side in (14 * 8, 14 * 16)
    )
    # What is no attention grows with the tokens, attention with their square: 4 x 24 numbers per pair and block.
    attention = [4 * 4 * 24 * (tokens + 1) ** 2 / 1e9 for tokens in (64, 256)]
    assert four - attention[1] == pytest.approx(4 * (one - attention[0]), rel=0.02)


def test_the_body_crop_saves_windows(small_model, small_scan):
    small_model.preprocessing = small_model.preprocessing.model_copy(update={"body_threshold_hu": -300.0})
    assert count_windows("VQSeg", small_model, small_scan) <= count_windows("MONAI", small_model, small_scan)
    assert count_windows("MONAI", small_model, small_scan) == 3 * 5 * 4


def test_both_sides_of_every_ratio_are_reported(small_model, small_scan, monkeypatch, in_this_process):
    monkeypatch.setattr(inference, "run_in_own_process", in_this_process)
    monkeypatch.setattr(inference, "build_workload", lambda *_: (small_model, small_scan))
    monkeypatch.setattr("VQSegLib.benchmarks.machine._SECONDS", 0.01)
    told = []
    settings = InferenceSettings(workloads=("shipped",), precisions=("float32",), repeats=1, device="cpu")
    report = benchmark_inference(settings, lambda *given: told.append(given))
    ratios = {line.name: line for line in report.lines if isinstance(line, Ratio)}
    assert {"shipped, float32: plain loop / VQSeg", "shipped, float32: MONAI / VQSeg"} <= set(ratios)
    text = str(report)
    for name in (
        "voxels labelled alike, MONAI and VQSeg",
        "peak memory, plain loop",
        "share of peak inside the network",
    ):
        assert name in text
    assert ("nnU-Net is not installed" in text) != NnUNet.is_installed()
    assert told[0][1] == "VQSeg: shipped, float32"
