"""Take training steps of method ``vqseg`` as the trainer takes them, and as the authors' released trainer does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from VQSegLib.benchmarks.machine import describe_machine, measure_peak_gib, synchronize
from VQSegLib.benchmarks.own_process import run_in_own_process
from VQSegLib.benchmarks.released_step import ReleasedStep
from VQSegLib.benchmarks.report import Figure, Line, Ratio, Report
from VQSegLib.benchmarks.workloads import build_released_model
from VQSegLib.inference.device import resolve_device, resolve_precision
from VQSegLib.kept_memory import keep_freed_memory
from VQSegLib.methods import build_method
from VQSegLib.methods.base import Batch
from VQSegLib.methods.vqseg_config import release_preset
from VQSegLib.models.precision import autocasting
from VQSegLib.service_results import OnProgress
from VQSegLib.training.config import OptimizerConfig
from VQSegLib.training.schedule import build_optimizer

_LEAST_RATIO = 3.0
_SIDE, _MAX_STEPS = 224, 100_000


@dataclass(frozen=True)
class TrainingSettings:
    """How much is measured.

    Attributes:
        labeled: Labeled patches per step, 224 pixels each.
        unlabeled: Unlabeled patches per step, each with a weak and two strong views.
        repeats: Steps that are timed, after one that is not.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
    """

    labeled: int = 8
    unlabeled: int = 4
    repeats: int = 3
    device: str = "auto"


@dataclass(frozen=True)
class _Case:
    contender: str
    precision: str
    settings: TrainingSettings


@dataclass(frozen=True)
class _Result:
    seconds: tuple[float, ...]
    peak_gib: float


def benchmark_training(settings: TrainingSettings, on_progress: OnProgress | None = None) -> Report:
    """Measure both steps with one batch and one network, in the precision of the release and in the device's own.

    Args:
        settings: How much is measured.
        on_progress: Told what is being measured.

    Raises:
        ConfigError: The device is unknown or missing, or the package transformers is.
    """
    device = resolve_device(settings.device)
    own = str(resolve_precision("auto", device)).removeprefix("torch.")
    precisions = list(dict.fromkeys(["float32", own]))
    lines: list[Line] = [
        f"released architecture and settings, {settings.labeled} labeled and {settings.unlabeled} unlabeled patches of "
        f"{_SIDE} x {_SIDE}"
    ]
    steps: dict[tuple[str, str], Figure] = {}
    for precision in precisions:
        for contender in _CONTENDERS:
            if on_progress is not None:
                on_progress(len(steps) / (2 * len(precisions)), f"{contender}, {precision}", None)
            result = run_in_own_process(_run, _Case(contender, precision, settings))
            steps[contender, precision] = Figure.of(f"{contender}, {precision}: seconds per step", result.seconds)
            lines += [steps[contender, precision]]
            lines += [Figure.of(f"{contender}, {precision}: peak memory", [result.peak_gib], "GiB")]
        pair = (steps["released way", precision], steps["VQSeg", precision])
        lines.append(Ratio.at_least(f"{precision}: released way / VQSeg", *pair, _LEAST_RATIO))
    if len(precisions) > 1:
        pair = (steps["released way", "float32"], steps["VQSeg", own])
        lines.append(Ratio.at_least(f"released way in float32 / VQSeg in {own}", *pair, _LEAST_RATIO))
    machine = describe_machine(device)
    return Report(benchmark="training", command="vqseg benchmark training", machine=machine, lines=tuple(lines))


def _run(case: _Case) -> _Result:
    """Take steps in this process."""
    device = resolve_device(case.settings.device)
    take = _CONTENDERS[case.contender](resolve_precision(case.precision, device), device)
    batch = _draw_batch(case.settings).to(device)
    seconds = []
    for _ in range(1 + case.settings.repeats):
        synchronize(device)
        began = time.perf_counter()
        take(batch)
        synchronize(device)
        seconds.append(time.perf_counter() - began)
    return _Result(tuple(seconds[1:]), measure_peak_gib(device))


def _build_own(dtype: torch.dtype, device: torch.device) -> Callable[[Batch], object]:
    keep_freed_memory()  # as runs do
    model = build_released_model()
    method = build_method(release_preset(), model.network, model.preprocessing, _MAX_STEPS).to(device).train()
    optimizer = build_optimizer(method, OptimizerConfig(learning_rate=5e-6), device)
    steps = iter(range(1, _MAX_STEPS))

    def take(batch: Batch) -> None:
        step = next(steps)
        with autocasting(device, dtype):
            loss = method(batch, step).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        method.after_step(step)

    return take


def _build_released(dtype: torch.dtype, device: torch.device) -> Callable[[Batch], object]:
    network = build_released_model().network.to(device)
    if network.quantizer is None:
        msg = "the released architecture has a quantizer"
        raise RuntimeError(msg)
    return ReleasedStep(network, network.quantizer, dtype).take


_CONTENDERS: dict[str, Callable[[torch.dtype, torch.device], Callable[[Batch], object]]] = {
    "VQSeg": _build_own,
    "released way": _build_released,
}


def _draw_batch(settings: TrainingSettings) -> Batch:
    """Return noise: what a step costs does not depend on what it sees."""
    torch.manual_seed(0)
    return Batch(
        torch.randn(settings.labeled, 3, _SIDE, _SIDE),
        torch.randint(0, 4, (settings.labeled, _SIDE, _SIDE)),
        torch.randn(settings.unlabeled, 3, _SIDE, _SIDE),
        torch.randn(2, settings.unlabeled, 3, _SIDE, _SIDE),
    )
