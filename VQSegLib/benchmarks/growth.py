"""Segment ever longer scans: time and memory must grow in a straight line."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from VQSegLib.benchmarks.machine import describe_machine, measure_peak_gib
from VQSegLib.benchmarks.own_process import run_in_own_process
from VQSegLib.benchmarks.report import Bound, Figure, Line, Report
from VQSegLib.benchmarks.scans import enlarge, load_demo_scan
from VQSegLib.demo import MODEL_NAME
from VQSegLib.inference.device import resolve_device
from VQSegLib.inference.predictor import Predictor
from VQSegLib.kept_memory import keep_freed_memory
from VQSegLib.models.checkpoint import load_checkpoint
from VQSegLib.resources import find_model
from VQSegLib.service_results import OnProgress
from VQSegLib.volume import Volume

_BYTES_PER_VOXEL = 3
"""Scan in int16 and mask in uint8."""
_LEAST_STRAIGHTNESS = 0.98


@dataclass(frozen=True)
class GrowthSettings:
    """How much is measured.

    Attributes:
        slices: Lengths of the scans, ascending.
        side: Rows and columns.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
    """

    slices: tuple[int, ...] = (64, 128, 256, 512, 1024)
    side: int = 512
    device: str = "auto"


@dataclass(frozen=True)
class _Case:
    slices: int
    side: int
    device: str


@dataclass(frozen=True)
class Growth:
    """What was measured for each length.

    Attributes:
        slices: Lengths.
        seconds: Of one segmentation.
        extra_gib: Peak memory of the process beyond scan and mask.
    """

    slices: tuple[int, ...]
    seconds: tuple[float, ...]
    extra_gib: tuple[float, ...]


def measure_growth(settings: GrowthSettings, on_progress: OnProgress | None = None) -> Growth:
    """Segment scans of each length, each in a process of its own.

    Raises:
        UserError: Demo scan, shipped model or device are missing.
    """
    seconds, extra = [], []
    for number, slices in enumerate(settings.slices):
        if on_progress is not None:
            on_progress(number / len(settings.slices), f"Segmenting {slices} slices", None)
        took, peak = run_in_own_process(_run, _Case(slices, settings.side, settings.device))
        seconds.append(took)
        extra.append(peak - slices * settings.side**2 * _BYTES_PER_VOXEL / 2**30)
    return Growth(settings.slices, tuple(seconds), tuple(extra))


def describe_growth(growth: Growth, settings: GrowthSettings) -> Report:
    """Return the report about what was measured."""
    lines: list[Line] = [
        f"the demo patient again and again, 3 mm slices of {settings.side} x {settings.side}, shipped model"
    ]
    for slices, took, extra in zip(growth.slices, growth.seconds, growth.extra_gib, strict=True):
        lines.append(Figure.of(f"{slices} slices", [took]))
        lines.append(Figure.of(f"{slices} slices: peak memory beyond scan and mask", [extra], "GiB"))
    straightness = Figure.of("time over slices: R^2 of a straight line", [_straightness(growth)], "")
    lines.append(Bound.at_least(straightness, _LEAST_STRAIGHTNESS))
    machine = describe_machine(resolve_device(settings.device))
    return Report(benchmark="growth", command="vqseg benchmark growth", machine=machine, lines=tuple(lines))


def _straightness(growth: Growth) -> float:
    return float(np.corrcoef(growth.slices, growth.seconds)[0, 1] ** 2)


def _run(case: _Case) -> tuple[float, float]:
    """Segment in this process; return seconds and peak GiB."""
    keep_freed_memory()
    predictor = Predictor(load_checkpoint(find_model(MODEL_NAME)), device=case.device)
    volume = _repeat(case.slices, case.side)
    began = time.perf_counter()
    predictor.predict(volume)
    return time.perf_counter() - began, measure_peak_gib(resolve_device(case.device))


def _repeat(slices: int, side: int) -> Volume:
    """Return a scan of that many slices: the demo patient, mirrored and plain in turn, so that no step lies between.

    Only the middle half, where the body fills the slices: air between two heads would make two bodies of them, and only
    the larger one is segmented.
    """
    scan = load_demo_scan()
    enlarged = enlarge(scan, (scan.shape_kji[0], side, side))
    once = enlarged.array[len(enlarged.array) // 4 : -(len(enlarged.array) // 4)]
    array = np.empty((slices, side, side), np.int16)
    for start in range(0, slices, len(once)):
        part = once if (start // len(once)) % 2 == 0 else once[::-1]
        array[start : start + len(part)] = part[: slices - start]
    return Volume(array, enlarged.affine_ijk_to_ras)
