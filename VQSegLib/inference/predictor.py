"""The one inference path: every door (command line, worker, validation during training, evaluation) calls it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from VQSegLib.box import Box
from VQSegLib.errors import UserError
from VQSegLib.inference.batched_forward import BatchedForward, evaluating
from VQSegLib.inference.device import (
    compute_batch_size,
    is_out_of_memory,
    release_cached_memory,
    resolve_device,
    resolve_precision,
)
from VQSegLib.inference.label_writer import LabelWriter
from VQSegLib.inference.preprocessing import ModelGridImage, compute_body_box, resample_to_model_grid
from VQSegLib.inference.progress import OnProgress, Progress
from VQSegLib.inference.region import clear_outside, find_region
from VQSegLib.inference.slice_blending import SliceBlender
from VQSegLib.inference.window_layout import check_window_settings, lay_windows
from VQSegLib.inference.window_reader import WindowReader
from VQSegLib.inference.windows import WindowGrid
from VQSegLib.models.protocol import SegmentationModel
from VQSegLib.volume import Volume

logger = logging.getLogger(__name__)
LabelArray = npt.NDArray[np.uint8]
_PREPARED = 0.1
"""Fraction of the progress bar that preparation gets."""


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


@dataclass(frozen=True)
class _Job:
    """What a run over all windows needs, on whichever device."""

    volume: Volume
    grid: ModelGridImage
    region: Box
    windows: WindowGrid
    progress: Progress
    notes: list[str]


class Predictor:
    """Segments volumes with one model.

    Steps: canonical orientation, resampling, body crop, windows (3-D) or slices (2-D) in batches, blending, logits
    resampled to the grid of the input, argmax. Work streams along the slices, so that memory hardly grows with them.
    """

    def __init__(
        self,
        model: SegmentationModel,
        *,
        device: str | torch.device = "auto",
        precision: str = "auto",
        window_batch_size: int | None = None,
        stride: tuple[int, ...] | None = None,
    ) -> None:
        """Choose where and how to run.

        Args:
            model: Network with its configuration.
            device: "auto", "cpu", "cuda" or "cuda:<n>".
            precision: "auto", "float32" or "bfloat16"; auto is bfloat16 on CUDA, float32 on the CPU.
            window_batch_size: Windows or slices per forward pass; None chooses by free memory.
            stride: Distance of windows in voxels, one per side of the model's patch, instead of its overlap.

        Raises:
            ConfigError: If a value is unknown, impossible or contradicts the model.
        """
        check_window_settings(model, window_batch_size, stride)
        self._model = model
        self._device = resolve_device(device)
        self._precision = precision
        self._batch_size = window_batch_size
        self._stride = stride
        resolve_precision(precision, self._device)

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
        job = self._prepare(volume, roi, progress)
        with evaluating(self._model.network):
            label_map, device, batch_size = self._segment_somewhere(job)
        if roi is not None:
            clear_outside(label_map, roi)
        progress.start_stage("Done", 1.0)
        return Prediction(
            label_map=volume.with_array(label_map),
            device=str(device),
            precision=str(resolve_precision(self._precision, device)).removeprefix("torch."),
            window_batch_size=batch_size,
            seconds_by_stage=dict(progress.seconds_by_stage),
            notes=tuple(job.notes),
        )

    def _prepare(self, volume: Volume, roi: Box | None, progress: Progress) -> _Job:
        progress.start_stage("Preparing", 0.0)
        config = self._model.preprocessing
        grid = resample_to_model_grid(volume, config, lambda done: progress.advance(done, 0.0, _PREPARED))
        body = compute_body_box(grid.array, grid.spacing_mm_kji, config)
        region = find_region(body, roi, volume.shape_kji, grid)
        windows = lay_windows(region, grid.shape_kji, self._model, self._stride)
        notes = []
        if config.window_low < 0 and grid.array.min() >= 0:
            notes.append("The image has no value below 0, so it may not be in Hounsfield units; check the result.")
        return _Job(volume, grid, region, windows, progress, notes)

    def _segment_somewhere(self, job: _Job) -> tuple[LabelArray, torch.device, int]:
        """Segment on the chosen device; on the CPU when its memory does not hold one window."""
        try:
            return self._segment(job, self._device)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if self._device.type == "cpu":
                sides = " x ".join(str(side) for side in job.windows.window_kji)
                msg = (
                    f"Memory does not hold one window of {sides} voxels; close other programs, use a machine with "
                    "more memory, or a model with smaller windows."
                )
                raise UserError(msg) from error
        note = f"Memory of {self._device} does not hold one window, so the slower CPU was used."
        logger.warning(note)
        job.notes.append(note)
        release_cached_memory(self._device)
        return self._segment(job, torch.device("cpu"))

    def _segment(self, job: _Job, device: torch.device) -> tuple[LabelArray, torch.device, int]:
        job.progress.start_stage("Segmenting", _PREPARED)
        config, window = self._model.network_config, job.windows.window_kji
        size = self._batch_size or compute_batch_size(device, window, config.in_channels + config.num_classes)
        precision = resolve_precision(self._precision, device)
        forward = BatchedForward(self._model.network, config.num_classes, device, precision, size)
        label_map = np.zeros(job.volume.shape_kji, dtype=np.uint8)
        # Written through a canonical view, so every voxel lands at its place in the axis order of the input.
        canonical = job.grid.axis_map.to_canonical(label_map)
        values = (0, *self._model.labels.values)
        writer = LabelWriter(canonical, job.grid.shape_kji, job.region, values)
        self._run_windows(job, forward, SliceBlender(job.region, len(values), window[0], device), writer)
        job.notes.extend(forward.notes)
        return label_map, device, forward.batch_size

    def _run_windows(self, job: _Job, forward: BatchedForward, blender: SliceBlender, writer: LabelWriter) -> None:
        """Stream all windows through network and blending; slices that are complete go on to the writer."""
        reader = WindowReader(job.grid.array, self._model.network_config, self._model.preprocessing)
        weights = job.windows.compute_weights(blender.device)
        starts, done = list(job.windows), 0
        for batch, logits in forward.run(reader, starts, job.windows.window_kji):
            for start, window_logits in zip(batch, logits, strict=True):
                blender.add(start, window_logits, tuple(axis[at] for axis, at in zip(weights, start, strict=True)))
            done += len(batch)
            first_k_to_come = starts[done][0] if done < len(starts) else job.region.stop_kji[0]
            for index, blended in blender.pop_below(first_k_to_come):
                writer.write(index, blended)
            job.progress.advance(done / len(starts), _PREPARED, 1.0)
