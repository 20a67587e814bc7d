"""Stream a volume through a computation window by window: what prediction, uncertainty and refinement share."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch

from VQSegLib.box import Box
from VQSegLib.errors import UserError
from VQSegLib.inference.batched_forward import BatchedForward, WindowComputation
from VQSegLib.inference.device import (
    compute_batch_size,
    is_out_of_memory,
    release_cached_memory,
    resolve_device,
    resolve_precision,
)
from VQSegLib.inference.preprocessing import ModelGridImage, compute_body_box, resample_to_model_grid
from VQSegLib.inference.progress import Progress
from VQSegLib.inference.region import find_region
from VQSegLib.inference.slice_blending import SliceBlender
from VQSegLib.inference.window_layout import check_window_settings, lay_windows
from VQSegLib.inference.window_reader import WindowReader
from VQSegLib.inference.windows import Windows
from VQSegLib.models.prepared_network import prepare_network
from VQSegLib.models.protocol import SegmentationModel
from VQSegLib.volume import Volume

logger = logging.getLogger(__name__)
PREPARED = 0.1
"""Fraction of the progress bar that preparation gets."""
T = TypeVar("T")
Span = tuple[float, float]


class SliceSink(Protocol):
    """Takes blended slices in ascending order."""

    def write(self, grid_k: int, channels: torch.Tensor) -> None:
        """Take the float32 channels ``(C, J, I)`` of slice ``grid_k`` of the region."""


@dataclass(frozen=True)
class WindowJob:
    """A prepared volume and how to tell the user about it.

    Attributes:
        volume: The input.
        grid: The input on the model grid.
        region: Box on the model grid that is worth computing.
        windows: Windows over the region.
        progress: Progress of the whole request.
        notes: Sentences for the user, appended to.
    """

    volume: Volume
    grid: ModelGridImage
    region: Box
    windows: Windows
    progress: Progress
    notes: list[str]


class WindowEngine:
    """Prepares volumes for one model and runs computations over their windows.

    Steps: canonical orientation, resampling, body crop, windows (3-D) or slices (2-D) in batches, blending. Work
    streams along the slices, so that memory hardly grows with them.

    Attributes:
        model: Network with its configuration.
        device: Where computations run first.
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
            device: See :class:`~VQSegLib.inference.run_options.RunOptions`, also for the rest.
            precision: Type that convolutions run in.
            window_batch_size: Windows or slices per forward pass.
            stride: Distance of windows.

        Raises:
            ConfigError: If a value is unknown, impossible or contradicts the model.
        """
        check_window_settings(model, window_batch_size, stride)
        self.model = model
        self.device = resolve_device(device)
        self._precision = precision
        self._batch_size = window_batch_size
        self._stride = stride
        resolve_precision(precision, self.device)

    def resolve_precision(self, device: torch.device) -> torch.dtype:
        """Return the type convolutions run in on a device."""
        return resolve_precision(self._precision, device)

    def prepare(self, volume: Volume, roi: Box | None, progress: Progress) -> WindowJob:
        """Bring a volume to the model grid and lay windows over its body.

        Raises:
            Cancelled: If the user asked to stop.
            UserError: If the region of interest lies outside the volume.
        """
        progress.start_stage("Preparing", 0.0)
        config = self.model.preprocessing
        grid = resample_to_model_grid(volume, config, lambda done: progress.advance(done, 0.0, PREPARED))
        body = compute_body_box(grid.array, grid.spacing_mm_kji, config)
        region = find_region(body, roi, volume.shape_kji, grid)
        windows = lay_windows(region, grid.shape_kji, self.model, self._stride)
        notes = []
        if config.window_low < 0 and grid.array.min() >= 0:
            notes.append("The image has no value below 0, so it may not be in Hounsfield units; check the result.")
        return WindowJob(volume, grid, region, windows, progress, notes)

    def run_somewhere(self, job: WindowJob, work: Callable[[torch.device], T]) -> tuple[T, torch.device]:
        """Work on the chosen device; on the CPU when its memory does not hold one window.

        Raises:
            UserError: If the CPU's memory does not hold one window either.
        """
        try:
            return work(self.device), self.device
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if self.device.type == "cpu":
                sides = " x ".join(str(side) for side in job.windows.window_kji)
                msg = (
                    f"Memory does not hold one window of {sides} voxels; close other programs, use a machine with "
                    "more memory, or a model with smaller windows."
                )
                raise UserError(msg) from error
        note = f"Memory of {self.device} does not hold one window, so the slower CPU was used."
        logger.warning(note)
        job.notes.append(note)
        release_cached_memory(self.device)
        cpu = torch.device("cpu")
        return work(cpu), cpu

    def prepare_network(self, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
        """Move the network to a device and return what answers there as it does."""
        return prepare_network(self.model.network.to(device), self.resolve_precision(device))

    def stream(
        self,
        job: WindowJob,
        device: torch.device,
        computation: WindowComputation,
        sink: SliceSink,
        *,
        span: Span = (PREPARED, 1.0),
    ) -> int:
        """Stream windows through a computation and blending; complete slices go to the sink.

        Args:
            job: Prepared volume.
            device: Where to compute.
            computation: What to compute.
            sink: Where blended slices go, ascending; a slice that no window reaches is left out.
            span: Fractions of the progress bar this takes.

        Returns:
            Windows per forward pass, after halving.
        """
        channels = self.model.network_config.in_channels + computation.channels
        size = self._batch_size or compute_batch_size(device, job.windows.window_kji, channels)
        forward = BatchedForward(computation, device, size)
        blender = SliceBlender(job.region, computation.channels, job.windows.window_kji[0], device)
        self._run_windows(job, forward, blender, sink, span)
        job.notes.extend(note for note in forward.notes if note not in job.notes)
        return forward.batch_size

    def _run_windows(
        self, job: WindowJob, forward: BatchedForward, blender: SliceBlender, sink: SliceSink, span: Span
    ) -> None:
        reader = WindowReader(job.grid.array, self.model.network_config, self.model.preprocessing)
        weights = job.windows.compute_weights(blender.device)
        starts, done = list(job.windows), 0
        for batch, answer in forward.run(reader, starts, job.windows.window_kji):
            for start, of_window in zip(batch, answer, strict=True):
                blender.add(start, of_window, tuple(axis[at] for axis, at in zip(weights, start, strict=True)))
            done += len(batch)
            first_k_to_come = starts[done][0] if done < len(starts) else job.region.stop_kji[0]
            for index, blended in blender.pop_below(first_k_to_come):
                sink.write(index, blended)
            job.progress.advance(done / len(starts), *span)
