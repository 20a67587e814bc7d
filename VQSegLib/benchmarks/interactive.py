"""What a user of the Slicer module waits for, measured over the wire with a real worker process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from VQSegLib.benchmarks.machine import describe_machine
from VQSegLib.benchmarks.report import Bound, Figure, Line, Ratio, Report
from VQSegLib.benchmarks.run_beside import fine_tuning_beside
from VQSegLib.benchmarks.scans import enlarge, load_demo_label_map, load_demo_scan
from VQSegLib.benchmarks.worker_session import WorkerSession, measure_way_back
from VQSegLib.box import Triple
from VQSegLib.demo import MODEL_NAME
from VQSegLib.inference.device import resolve_device
from VQSegLib.labels import LabelTable
from VQSegLib.service import Service
from VQSegLib.service_results import OnProgress
from VQSegLib.volume import Array, Volume

TRANSFER_SHAPE_KJI = (300, 512, 512)
CLINICAL_SHAPE_KJI = (120, 512, 512)
SAMPLES = 8
_UNCERTAINTY_GOAL, _TRANSFER_GOAL_SECONDS, _CANCEL_GOAL_SECONDS = 2.0, 0.3, 1.0
_CORRECTED_SLICES, _SLICES_APART = 3, 10
_BETWEEN_CLICKS_STEPS = 1.3

Lines = list[Line]


@dataclass(frozen=True)
class InteractiveSettings:
    """How much is measured.

    Attributes:
        repeats: Repetitions of each figure.
        transfer_shape_kji: Volume that is sent there and back.
        clinical_shape_kji: Matrix of the second scan; None leaves it out.
    """

    repeats: int = 3
    transfer_shape_kji: Triple = TRANSFER_SHAPE_KJI
    clinical_shape_kji: Triple | None = CLINICAL_SHAPE_KJI


def benchmark_interactive(settings: InteractiveSettings, on_progress: OnProgress | None = None) -> Report:
    """Measure start, click to mask, uncertainty, refinement, cancelling and transfer.

    Args:
        settings: How much is measured.
        on_progress: Told what is being measured.

    Raises:
        UserError: The demo scan or the shipped model is missing.
    """
    tell = _Teller(on_progress)
    scan, labels = load_demo_scan(), Service().show_model(MODEL_NAME).labels
    tell(0.0, "Starting the worker")
    lines = _measure_first_use(scan)
    with WorkerSession(MODEL_NAME) as session:
        lines.append(Figure.of("worker started again: process to answer of `initialize`", [session.seconds_to_start]))
        lines += _Measurement(session, scan, "demo CT", settings.repeats, tell).run(labels, load_demo_label_map().array)
        if settings.clinical_shape_kji is not None:
            larger = enlarge(scan, settings.clinical_shape_kji)
            lines += _Measurement(session, larger, _describe(larger), settings.repeats, tell).run(labels, None)
        tell(0.85, "Segmenting beside a training run")
        lines += _measure_beside_run(session, scan, settings.repeats)
        tell(0.9, "Sending a large scan")
        lines += _measure_transfer(session, settings)
    machine = describe_machine(resolve_device("auto"))
    return Report(benchmark="interactive", command="vqseg benchmark interactive", machine=machine, lines=tuple(lines))


@dataclass(frozen=True)
class _Measurement:
    """What is measured with one scan in a warm worker."""

    session: WorkerSession
    scan: Volume
    name: str
    repeats: int
    tell: _Teller

    def run(self, labels: LabelTable, corrected: Array | None) -> Lines:
        """Measure; refine only where corrections are known."""
        session = self.session
        session.segment(session.send(self.scan))  # warm from here on
        clicks, plain, unsure, samples, volume = [], [], [], 0, ""
        for number in range(self.repeats):
            self.tell(0.1 + 0.8 * number / self.repeats, f"Segmenting the {self.name}")
            clicks.append(_timed(_click_to_mask, session, self.scan))
            volume = session.send(self.scan)
            # In turn, so that both sides of the ratio see the machine in the same state.
            plain.append(_timed(session.segment, volume))
            began = time.perf_counter()
            answer = session.estimate_uncertainty(volume, SAMPLES)
            unsure.append(time.perf_counter() - began)
            samples = answer["samples"]
            unsure_slices = [one["index_k"] for one in answer["slices"]]
        plain_figure = Figure.of(f"{self.name}: segment (scan held)", plain)
        unsure_figure = Figure.of(f"{self.name}: uncertainty, {samples} of {SAMPLES} decodes drawn", unsure)
        lines: Lines = [
            Figure.of(f"{self.name}: click to mask (scan sent, segmented, masks received)", clicks),
            plain_figure,
            unsure_figure,
            Ratio.below(f"{self.name}: uncertainty / segment", unsure_figure, plain_figure, _UNCERTAINTY_GOAL),
        ]
        if corrected is not None:
            lines.append(self._refine(volume, corrected, unsure_slices, labels))
        return lines + self._cancel(volume)

    def _refine(self, volume: str, corrected: Array, unsure_slices: list[int], labels: LabelTable) -> Figure:
        chosen: list[int] = []
        for index in unsure_slices:
            if len(chosen) < _CORRECTED_SLICES and all(abs(index - other) >= _SLICES_APART for other in chosen):
                chosen.append(index)
        self.tell(0.9, "Refining")
        seconds = [_timed(lambda: self.session.refine(volume, corrected, chosen, labels)) for _ in range(self.repeats)]
        return Figure.of(f"{self.name}: refine from {len(chosen)} corrected slices", seconds)

    def _cancel(self, volume: str) -> Lines:
        self.tell(0.9, "Cancelling")
        answered, free = zip(*(self.session.cancel_midway(volume) for _ in range(self.repeats)), strict=True)
        return [
            Bound.below(Figure.of(f"{self.name}: cancel answered after", answered), _CANCEL_GOAL_SECONDS),
            Figure.of(f"{self.name}: engine takes up the next request after", free),
        ]


class _Teller:
    """Progress that may be nobody's."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self._on_progress = on_progress

    def __call__(self, fraction: float, stage: str, seconds_left: float | None = None) -> None:
        if self._on_progress is not None:
            self._on_progress(fraction, stage, seconds_left)


def _measure_first_use(scan: Volume) -> Lines:
    """Start a worker and use it once: what the first click of a day costs."""
    with WorkerSession(MODEL_NAME) as session:
        first = _timed(_click_to_mask, session, scan)
        return [
            Figure.of("worker started first: process to answer of `initialize`", [session.seconds_to_start]),
            Figure.of("demo CT: first click to mask in it (packages and model loaded)", [first]),
        ]


def _measure_beside_run(session: WorkerSession, scan: Volume, repeats: int) -> Lines:
    """Click while a run is training: it may cost the step that the run is at, and no more."""
    name = session.send(scan)
    alone = Figure.of("demo CT: segment, no run", [_timed(session.segment, name) for _ in range(repeats)])
    with fine_tuning_beside(MODEL_NAME) as step_seconds:
        beside = []
        for _ in range(repeats):
            time.sleep(_BETWEEN_CLICKS_STEPS * step_seconds)  # the run is at a step again
            beside.append(_timed(session.segment, name))
    session.forget(name)
    step = Figure.of("one step of the run, nobody clicking", [step_seconds])
    figure = Figure.of("demo CT: segment beside a fine-tuning run", beside)
    return [alone, step, Bound.below(figure, round(alone.best + step_seconds, 3))]


def _measure_transfer(session: WorkerSession, settings: InteractiveSettings) -> Lines:
    volume = Volume(np.ones(settings.transfer_shape_kji, np.int16), np.diag([-1.0, -1.0, 1.0, 1.0]))
    there = []
    for _ in range(settings.repeats):
        began = time.perf_counter()
        name = session.send(volume)
        there.append(time.perf_counter() - began)
        session.forget(name)
    back = measure_way_back(settings.transfer_shape_kji, settings.repeats)
    return [
        Bound.below(Figure.of(f"{_describe(volume)} int16 to the worker", there), _TRANSFER_GOAL_SECONDS),
        Bound.below(Figure.of(f"{_describe(volume)} int16 from a worker", back), _TRANSFER_GOAL_SECONDS),
    ]


def _click_to_mask(session: WorkerSession, scan: Volume) -> None:
    name = session.send(scan)
    for label in session.segment(name)["labels"]:
        if label["extent_ijk"] is not None:
            np.frombuffer(label["array"].data, label["array"].dtype)
    session.forget(name)


def _timed(call: Callable[..., object], *arguments: object) -> float:
    began = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - began


def _describe(volume: Volume) -> str:
    return "x".join(map(str, volume.shape_kji[::-1])) + " CT"
