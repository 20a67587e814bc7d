"""The benchmark of training steps."""

import copy

import pytest
import torch

from VQSegLib.benchmarks import training
from VQSegLib.benchmarks.released_step import ReleasedStep
from VQSegLib.benchmarks.report import Ratio
from VQSegLib.benchmarks.training import TrainingSettings, benchmark_training
from VQSegLib.methods.base import Batch


def test_the_released_step_trains_student_and_teacher(small_released_model):
    network = small_released_model.network
    before = copy.deepcopy(network.state_dict())
    step = ReleasedStep(network, network.quantizer, torch.float32)
    torch.manual_seed(0)
    batch = Batch(
        torch.randn(2, 3, 28, 28),
        torch.randint(0, 4, (2, 28, 28)),
        torch.randn(2, 3, 28, 28),
        torch.randn(2, 2, 3, 28, 28),
    )
    losses = [step.take(batch) for _ in range(2)]
    assert all(0 < loss < 100 for loss in losses)
    after = network.state_dict()
    for name in ("quantizer.projection.weight", "segmentation_decoder.output.2.weight"):
        assert not torch.equal(before[name], after[name])
    teacher = step._teacher.state_dict()["quantizer.projection.weight"]
    assert not torch.equal(teacher, before["quantizer.projection.weight"])
    with pytest.raises(RuntimeError, match="unlabeled"):
        step.take(Batch(batch.labeled, batch.target))


def test_both_sides_are_reported_in_each_precision(small_released_model, monkeypatch, in_this_process):
    monkeypatch.setattr(training, "run_in_own_process", in_this_process)
    monkeypatch.setattr(training, "build_released_model", lambda: copy.deepcopy(small_released_model))
    monkeypatch.setattr(training, "_SIDE", 28)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    report = benchmark_training(TrainingSettings(labeled=2, unlabeled=2, repeats=1, device="cpu"))
    names = [line.name for line in report.lines if isinstance(line, Ratio)]
    assert names == [
        "float32: released way / VQSeg",
        "bfloat16: released way / VQSeg",
        "released way in float32 / VQSeg in bfloat16",
    ]
    assert "peak memory" in str(report)
