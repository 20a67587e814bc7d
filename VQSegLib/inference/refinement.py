"""Learn from corrected slices of a scan within seconds, then segment the rest of it again.

Only the decoder of a copy learns; the encoder's answers are computed once. Corrected slices enter the supervised loss;
beside them the answers are held near those of the model as it was, or the decoder forgets what the slices do not show.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from VQSegLib.box import Box
from VQSegLib.errors import UserError
from VQSegLib.inference.corrected_slices import CorrectedPlane, check_corrections, find_planes
from VQSegLib.inference.device import has_fast_bfloat16
from VQSegLib.inference.predictor import Prediction, Predictor
from VQSegLib.inference.progress import OnProgress, Progress
from VQSegLib.inference.refinement_learning import RefinementSettings, learn
from VQSegLib.inference.refinement_windows import WindowEncoder
from VQSegLib.inference.window_engine import WindowEngine, WindowJob
from VQSegLib.models.network import VQSegNet
from VQSegLib.models.protocol import InMemoryModel, SegmentationModel
from VQSegLib.volume import Volume

_PREPARED, _LEARNED = 0.1, 0.5
"""Fractions of the progress bar."""


@dataclass(frozen=True)
class Refinement:
    """Result of a refinement.

    Attributes:
        prediction: The new segmentation; corrected slices are as they were drawn.
        slices_k: Corrected slices, ascending.
        windows: Windows it learned from.
        loss_before: Mean supervised loss over the first round of the windows.
        loss_after: The same over the last round.
    """

    prediction: Prediction
    slices_k: tuple[int, ...]
    windows: int
    loss_before: float
    loss_after: float


def refine(
    model: SegmentationModel,
    volume: Volume,
    corrected: Volume,
    corrected_slices_k: Sequence[int],
    *,
    proposal: Volume | None = None,
    roi: Box | None = None,
    settings: RefinementSettings | None = None,
    device: str | torch.device = "auto",
    precision: str = "auto",
    on_progress: OnProgress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Refinement:
    """Adapt a copy of a model to the corrected slices of a scan and segment the scan again.

    Neither the model nor its file changes.

    Args:
        model: Model whose segmentation was corrected.
        volume: The scan, HU.
        corrected: Label map in its geometry; only the corrected slices are looked at.
        corrected_slices_k: Slices along the k axis of ``volume`` that are right now, all structures in them.
        proposal: The segmentation before it was corrected, if known: then structures that were erased far from any
            other are learned, too.
        roi: Box of voxel indices of ``volume``; outside of it and of the corrected slices the result is background.
        settings: How much is learned.
        device: As of :class:`VQSegLib.inference.predictor.Predictor`.
        precision: As of the predictor; with "auto" the copy learns in bfloat16 on a CPU with AMX, too.
        on_progress: Called with fraction, stage and seconds left, at least once a step.
        cancelled: Asked between steps whether to stop.

    Raises:
        Cancelled: If ``cancelled`` answered True.
        UserError: The corrections do not belong to the scan or the model, the network cannot be refined, or memory
            does not hold one window.
    """
    check_corrections(volume, corrected, corrected_slices_k, model.labels)
    learner = _Learner(model, settings or RefinementSettings(), device, precision)
    progress = Progress(_scaled(on_progress, 0.0, _LEARNED), cancelled)
    job = learner.engine.prepare(volume, None, progress)
    planes = find_planes(corrected, corrected_slices_k, proposal, job.grid, model.labels)
    learned, _ = learner.engine.run_somewhere(job, lambda device: learner.learn(job, planes, device))
    progress.end_stage()
    refined = InMemoryModel(learned.network, model.network_config, model.preprocessing, model.labels)
    prediction = Predictor(refined, device=device, precision=precision).predict(
        volume, roi=roi, on_progress=_scaled(on_progress, _LEARNED, 1.0), cancelled=cancelled
    )
    slices_k = sorted(set(corrected_slices_k))
    prediction.label_map.array[slices_k] = corrected.array[slices_k]
    for stage, seconds in progress.seconds_by_stage.items():
        prediction.seconds_by_stage[stage] = prediction.seconds_by_stage.get(stage, 0.0) + seconds
    return learned.describe(prediction, slices_k)


@dataclass(frozen=True)
class _Learned:
    """The copy that learned, from how many windows, and the loss of each step."""

    network: VQSegNet
    windows: int
    losses: list[float]

    def describe(self, prediction: Prediction, slices_k: Sequence[int]) -> Refinement:
        """Return the result of the refinement that ended with ``prediction``."""
        return Refinement(
            prediction=prediction,
            slices_k=tuple(slices_k),
            windows=self.windows,
            loss_before=float(np.mean(self.losses[: self.windows])),
            loss_after=float(np.mean(self.losses[-self.windows :])),
        )


class _Learner:
    """Makes a copy of a network and lets it learn, on whichever device."""

    def __init__(
        self, model: SegmentationModel, settings: RefinementSettings, device: str | torch.device, precision: str
    ) -> None:
        if not isinstance(model.network, VQSegNet):
            msg = "This model's network has no decoder that could learn from corrections; choose a model made by VQSeg."
            raise UserError(msg)
        self.engine = WindowEngine(model, device=device, precision=precision)
        self.network = model.network
        self.settings = settings
        self.is_precision_free = precision == "auto"

    def learn(self, job: WindowJob, planes: Sequence[CorrectedPlane], device: torch.device) -> _Learned:
        job.progress.start_stage("Learning from corrections", _PREPARED)
        network = copy.deepcopy(self.network).to(device).eval()
        # Learning takes most of the time, and its outcome is looked at by a person: take bfloat16 where it is fast.
        fast = self.is_precision_free and has_fast_bfloat16(device)
        dtype = torch.bfloat16 if fast else self.engine.resolve_precision(device)
        preprocessing, reach = self.engine.model.preprocessing, self.settings.reach
        encoder = WindowEncoder(job, network, preprocessing, device=device, dtype=dtype, reach=reach)
        windows = encoder.encode(planes)
        losses = learn(network, windows, self.settings, dtype, lambda done: job.progress.advance(done, _PREPARED, 1.0))
        return _Learned(network, len(windows), losses)


def _scaled(on_progress: OnProgress | None, first: float, last: float) -> OnProgress | None:
    """Return a callback that reports 0..1 as ``first`` to ``last``; only the second half knows the seconds left."""
    if on_progress is None:
        return None
    told = on_progress

    def report(fraction: float, stage: str, seconds_left: float | None) -> None:
        told(first + fraction * (last - first), stage, seconds_left if last == 1.0 else None)

    return report
