"""Segment one scan with one network through VQSeg's predictor and through others'."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from VQSegLib.benchmarks.contenders import CONTENDERS, NnUNet, count_windows
from VQSegLib.benchmarks.machine import (
    CLOCKS,
    ClockName,
    describe_machine,
    measure_matrix_rate,
    measure_peak_gib,
    synchronize,
)
from VQSegLib.benchmarks.own_process import run_in_own_process
from VQSegLib.benchmarks.report import Bound, Figure, Line, Ratio, Report
from VQSegLib.benchmarks.workloads import WORKLOADS, WorkloadName, build_workload
from VQSegLib.inference.device import resolve_device, resolve_precision
from VQSegLib.inference.predictor import LabelArray
from VQSegLib.kept_memory import keep_freed_memory
from VQSegLib.models.network import VQSegNet
from VQSegLib.models.prepared_network import prepare_network
from VQSegLib.models.protocol import SegmentationModel
from VQSegLib.service_results import OnProgress

_LEAST_RATIO = {"plain loop": 4.0, "MONAI": 1.5, "nnU-Net": 1.5}
_LEAST_AGREEMENT_PERCENT, _LEAST_SHARE_PERCENT = 99.9, 60.0
_WARM_UP_SLICES = 80
_NETWORK_PASSES = 5
_INSTALL_NNUNET = "nnU-Net is not installed, so it was left out: pip install nnunetv2 torch==2.13.0"


@dataclass(frozen=True)
class InferenceSettings:
    """How much is measured.

    Attributes:
        workloads: What is segmented.
        precisions: Precisions all contenders get.
        slices: Only that many slices from the middle of the scan; None for all, or eight of 518 x 518.
        repeats: Repetitions of each figure.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        clock: Name of the clock, see :data:`VQSegLib.benchmarks.machine.CLOCKS`.
    """

    workloads: tuple[WorkloadName, ...] = tuple(WORKLOADS)
    precisions: tuple[str, ...] = ("bfloat16", "float32")
    slices: int | None = None
    repeats: int = 3
    device: str = "auto"
    clock: ClockName = "wall"


@dataclass(frozen=True)
class _Case:
    """One contender with one workload in one precision."""

    contender: str
    workload: WorkloadName
    precision: str
    batch_size: int | None
    settings: InferenceSettings


@dataclass(frozen=True)
class _Result:
    seconds: tuple[float, ...]
    label_map: LabelArray
    batch_size: int
    windows: int
    peak_gib: float


@dataclass(frozen=True)
class _Pass:
    """The network alone: operations of one window, rate within it, and the machine's own."""

    gflop: float
    rates: tuple[float, ...]
    peak_rate: float


def benchmark_inference(settings: InferenceSettings, on_progress: OnProgress | None = None) -> Report:
    """Measure every contender with every workload in every precision.

    Args:
        settings: How much is measured.
        on_progress: Told what is being measured.

    Raises:
        UserError: Demo scan, shipped model or the device are missing.
    """
    device = resolve_device(settings.device)
    lines: list[Line] = []
    pairs = [(workload, precision) for workload in settings.workloads for precision in settings.precisions]
    for number, (workload, precision) in enumerate(pairs):

        def tell(contender: str, done: float = number / len(pairs), what: str = f"{workload}, {precision}") -> None:
            if on_progress is not None:
                on_progress(done, f"{contender}: {what}", None)

        lines += _compare(workload, precision, settings, tell)
    for workload in settings.workloads:
        lines += _compare_with_release(workload, lines)
    return Report(
        benchmark="inference",
        command="vqseg benchmark inference" + (" --clock processor" if settings.clock == "processor" else ""),
        machine=describe_machine(device),
        lines=tuple(lines),
        notes=() if NnUNet.is_installed() else (_INSTALL_NNUNET,),
    )


def _compare(
    workload: WorkloadName, precision: str, settings: InferenceSettings, tell: Callable[[str], None]
) -> list[Line]:
    prefix = f"{workload}, {precision}"
    tell("VQSeg")
    ours = run_in_own_process(_run, _Case("VQSeg", workload, precision, None, settings))
    alone = run_in_own_process(_measure_network, _Case("VQSeg", workload, precision, ours.batch_size, settings))
    results = {"VQSeg": ours}
    for name in CONTENDERS:
        if name != "VQSeg" and (name != "nnU-Net" or NnUNet.is_installed()):
            tell(name)
            batch_size = ours.batch_size if name == "MONAI" else 1
            results[name] = run_in_own_process(_run, _Case(name, workload, precision, batch_size, settings))
    times = {name: Figure.of(f"{prefix}: {name}", result.seconds) for name, result in results.items()}
    lines: list[Line] = [f"{WORKLOADS[workload]}, {precision}, windows in passes of {ours.batch_size}"]
    lines += list(times.values())
    for name, result in results.items():
        if name != "VQSeg":
            goal = _LEAST_RATIO[name]
            lines.append(Ratio.at_least(f"{prefix}: {name} / VQSeg", times[name], times["VQSeg"], goal))
            agreement = Figure.of(f"{prefix}: voxels labelled alike, {name} and VQSeg", [_agree(ours, result)], "%")
            lines.append(Bound.at_least(agreement, _LEAST_AGREEMENT_PERCENT))
    lines += [_describe_share(prefix, name, result, alone) for name, result in results.items()]
    lines += [_describe_network(prefix, alone)]
    return lines + [Figure.of(f"{prefix}: peak memory, {n}", [r.peak_gib], "GiB") for n, r in results.items()]


def _compare_with_release(workload: WorkloadName, lines: Sequence[Line]) -> list[Line]:
    """Return the ratio to the authors' test script as it is: it computes in float32 whatever the machine has."""
    figures = {line.name: line for line in lines if isinstance(line, Figure)}
    released, ours = (figures.get(f"{workload}, {who}") for who in ("float32: plain loop", "bfloat16: VQSeg"))
    if released is None or ours is None:
        return []
    name = f"{workload}: plain loop in float32 / VQSeg in bfloat16"
    return [WORKLOADS[workload], Ratio.at_least(name, released, ours, _LEAST_RATIO["plain loop"])]


def _agree(one: _Result, other: _Result) -> float:
    return 100.0 * float(np.mean(one.label_map == other.label_map))


def _describe_share(prefix: str, name: str, result: _Result, alone: _Pass) -> Figure:
    share = [100 * result.windows * alone.gflop / seconds / alone.peak_rate for seconds in result.seconds]
    return Figure.of(f"{prefix}: share of peak, {name} ({result.windows} windows)", share, "%", largest_is_best=True)


def _describe_network(prefix: str, alone: _Pass) -> Bound:
    share = [100 * rate / alone.peak_rate for rate in alone.rates]
    name = f"{prefix}: share of peak inside the network (peak {alone.peak_rate:.0f} GFLOP/s)"
    return Bound.at_least(Figure.of(name, share, "%", largest_is_best=True), _LEAST_SHARE_PERCENT)


def _run(case: _Case) -> _Result:
    """Segment in this process."""
    clock = CLOCKS[case.settings.clock]
    device = resolve_device(case.settings.device)
    model, volume = build_workload(case.workload, case.settings.slices)
    model.network.to(device)
    contender = CONTENDERS[case.contender](model, case.precision, case.batch_size, device)
    warm_up = build_workload(
        case.workload, min(_WARM_UP_SLICES if case.workload == "shipped" else 4, len(volume.array))
    )
    contender.segment(warm_up[1])
    seconds = []
    for _ in range(case.settings.repeats):
        synchronize(device)
        began = clock()
        label_map = contender.segment(volume)
        synchronize(device)
        seconds.append(clock() - began)
    windows = count_windows(case.contender, model, volume)
    return _Result(tuple(seconds), label_map, contender.batch_size, windows, measure_peak_gib(device))


@torch.no_grad()
def _measure_network(case: _Case) -> _Pass:
    """Time the prepared network alone, and in turn the machine's matrix product."""
    keep_freed_memory()
    clock = CLOCKS[case.settings.clock]
    device = resolve_device(case.settings.device)
    model, _ = build_workload(case.workload, 1)
    dtype = resolve_precision(case.precision, device)
    images = torch.randn(case.batch_size or 1, model.network_config.in_channels, *_window(model), device=device)
    network = prepare_network(model.network.to(device), dtype)
    gflop = _count_gflop(model, images[:1])
    network(images)
    rates, peaks = [], []
    for _ in range(_NETWORK_PASSES):
        peaks.append(measure_matrix_rate(device, dtype, clock))
        synchronize(device)
        began = clock()
        network(images)
        synchronize(device)
        rates.append(gflop * len(images) / (clock() - began))
    return _Pass(gflop, tuple(rates), max(peaks))


def _window(model: SegmentationModel) -> Sequence[int]:
    return model.preprocessing.patch_size or ()


def _count_gflop(model: SegmentationModel, images: torch.Tensor) -> float:
    """Return what a window needs at least: without the projection of the codebook, which is the same for all."""
    # torch counts the products of attention only where they are products of their own.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model.network(images)
    flop = float(counter.get_total_flops())
    if isinstance(model.network, VQSegNet) and model.network.quantizer is not None:
        with FlopCounterMode(display=False) as counter:
            model.network.quantizer.codes()
        flop -= counter.get_total_flops()
    return flop / 1e9
