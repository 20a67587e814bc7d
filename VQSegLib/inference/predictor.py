"""The one inference path: every door (command line, worker, validation during training, evaluation) calls it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Unpack

import numpy as np
import numpy.typing as npt
import torch

from VQSegLib.box import Box
from VQSegLib.inference.batched_forward import WindowComputation, evaluating
from VQSegLib.inference.label_writer import LabelWriter
from VQSegLib.inference.progress import OnProgress, Progress
from VQSegLib.inference.region import clear_outside
from VQSegLib.inference.run_options import RunOptions
from VQSegLib.inference.window_engine import PREPARED, WindowEngine, WindowJob
from VQSegLib.models.protocol import SegmentationModel
from VQSegLib.volume import Volume

LabelArray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Prediction:
    """Result of one segmentation.

    Attributes:
        label_map: uint8 values of the model's label table, in the geometry of the input.
        device: Device the network ran on.
        precision: "float32" or "bfloat16".
        window_batch_size: Windows or slices per forward pass, after halving.
        seconds_by_stage: Wall time of each stage.
        notes: Sentences for the user about what did not go as asked.
    """

    label_map: Volume
    device: str
    precision: str
    window_batch_size: int
    seconds_by_stage: dict[str, float]
    notes: tuple[str, ...]


class Predictor:
    """Segments volumes with one model.

    Steps: canonical orientation, resampling, body crop, windows (3-D) or slices (2-D) in batches, blending, logits
    resampled to the grid of the input, argmax. Work streams along the slices, so that memory hardly grows with them.
    """

    def __init__(self, model: SegmentationModel, **options: Unpack[RunOptions]) -> None:
        """Choose where and how to run.

        Args:
            model: Network with its configuration.
            **options: ``device``, ``precision``, ``window_batch_size`` and ``stride``: see
                :class:`~VQSegLib.inference.run_options.RunOptions`.

        Raises:
            ConfigError: If a value is unknown, impossible or contradicts the model.
        """
        self._engine = WindowEngine(model, **options)

    def predict(
        self,
        volume: Volume,
        *,
        roi: Box | None = None,
        on_progress: OnProgress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Prediction:
        """Segment a volume.

        Args:
            volume: CT in HU, in any orientation.
            roi: Box of voxel indices of ``volume``; outside of it the result is background.
            on_progress: Called with fraction, stage and seconds left, at least once a batch.
            cancelled: Asked between batches whether to stop.

        Raises:
            Cancelled: If ``cancelled`` answered True.
            UserError: If the region of interest lies outside the volume, or memory does not hold one window.
        """
        progress = Progress(on_progress, cancelled)
        job = self._engine.prepare(volume, roi, progress)
        with evaluating(self._engine.model.network):
            (label_map, batch_size), device = self._engine.run_somewhere(job, lambda device: self._segment(job, device))
        if roi is not None:
            clear_outside(label_map, roi)
        progress.start_stage("Done", 1.0)
        return build_prediction(self._engine, job, label_map, device, batch_size)

    def _segment(self, job: WindowJob, device: torch.device) -> tuple[LabelArray, int]:
        job.progress.start_stage("Segmenting", PREPARED)
        label_map = np.zeros(job.volume.shape_kji, dtype=np.uint8)
        writer = build_label_writer(self._engine.model, job, label_map)
        logits = plain_logits(self._engine.prepare_network(device), self._engine.model.network_config.num_classes)
        return label_map, self._engine.stream(job, device, logits, writer)


def plain_logits(network: Callable[[torch.Tensor], torch.Tensor], num_classes: int) -> WindowComputation:
    """Return the computation of a segmentation: the logits of a prepared network."""
    return WindowComputation(lambda images, _: network(images), num_classes)


def build_label_writer(model: SegmentationModel, job: WindowJob, label_map: LabelArray) -> LabelWriter:
    """Return the writer that fills ``label_map``, an array of the input's shape, from blended logits."""
    # Written through a canonical view, so every voxel lands at its place in the axis order of the input.
    canonical = job.grid.axis_map.to_canonical(label_map)
    return LabelWriter(canonical, job.grid.shape_kji, job.region, (0, *model.labels.values))


def build_prediction(
    engine: WindowEngine, job: WindowJob, label_map: LabelArray, device: torch.device, batch_size: int
) -> Prediction:
    """Return the result of a finished job."""
    return Prediction(
        label_map=job.volume.with_array(label_map),
        device=str(device),
        precision=str(engine.resolve_precision(device)).removeprefix("torch."),
        window_batch_size=batch_size,
        seconds_by_stage=dict(job.progress.seconds_by_stage),
        notes=tuple(job.notes),
    )
