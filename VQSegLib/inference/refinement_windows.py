"""What a refinement learns from: windows around the corrected slices, encoded once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from VQSegLib.box import Box, Triple
from VQSegLib.inference.ambiguous_windows import AmbiguityMap
from VQSegLib.inference.corrected_slices import CorrectedPlane
from VQSegLib.inference.window_engine import WindowJob
from VQSegLib.inference.window_reader import WindowReader
from VQSegLib.inference.windows import WindowList
from VQSegLib.methods.base import IGNORED
from VQSegLib.models.config import ConvEncoderConfig, PreprocessingConfig
from VQSegLib.models.network import VQSegNet
from VQSegLib.models.precision import autocasting

logger = logging.getLogger(__name__)
_MOST_BYTES = 1 << 30
"""Memory for what the encoder answers."""


@dataclass(frozen=True)
class EncodedWindow:
    """A window, or the part of it near a corrected slice.

    Attributes:
        features: The encoder's maps, fine to coarse, the last one quantized.
        before: Probabilities ``(1, C, *sides)`` of the network before it learns.
        target: int64 class ``(1, *sides)`` on corrected slices, ``IGNORED`` elsewhere.
    """

    features: list[Tensor]
    before: Tensor
    target: Tensor

    @property
    def sides(self) -> torch.Size:
        """Sides of the decoder's answer."""
        return self.target.shape[1:]

    def count_bytes(self) -> int:
        """Return the memory this takes."""
        return sum(one.numel() * one.element_size() for one in (*self.features, self.before, self.target))


class WindowEncoder:
    """Encodes the windows of one volume that hold corrected slices."""

    def __init__(
        self,
        job: WindowJob,
        network: VQSegNet,
        preprocessing: PreprocessingConfig,
        *,
        device: torch.device,
        dtype: torch.dtype,
        reach: int,
    ) -> None:
        """Prepare to encode.

        Args:
            job: Prepared volume.
            network: Network in evaluation mode, on the device.
            preprocessing: How its input is prepared.
            device: Where to encode.
            dtype: What the decoder will learn in; its answers before learning are computed the same way.
            reach: Voxels on either side of a corrected slice that are kept, where the decoder is local.
        """
        self._job, self._network, self._reach = job, network, reach
        self._device, self._dtype = device, dtype
        self._reader = WindowReader(job.grid.array, network.config, preprocessing)

    @torch.no_grad()
    def encode(self, planes: Sequence[CorrectedPlane]) -> list[EncodedWindow]:
        """Return the windows around what there is to learn in each plane, as many as memory should hold.

        Raises:
            Cancelled: If the user asked to stop.
        """
        of_planes = ([(plane, start) for start in self._lay(plane)] for plane in planes)
        in_turn = [wanted for each in zip_longest(*of_planes) for wanted in each if wanted is not None]
        encoded: list[EncodedWindow] = []
        held = 0
        for plane, start in in_turn:
            self._job.progress.touch()
            encoded.append(self._encode(plane, start, planes))
            held += encoded[-1].count_bytes()
            if held > _MOST_BYTES:
                logger.info("Refinement learns from %d of %d windows: memory is bounded.", len(encoded), len(in_turn))
                break
        return encoded

    def _lay(self, plane: CorrectedPlane) -> WindowList:
        """Return windows with the plane in their middle; over the whole body if there is nothing drawn in it."""
        places = plane.places_kji
        if not len(places):
            ranges = [range(part.start, part.stop) for part in self._job.region.slices]
            ranges[plane.axis] = range(plane.index, plane.index + 1)
            places = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
        marks = AmbiguityMap(self._job.grid.shape_kji, self._job.windows.window_kji)
        marks.mark(places)
        cover = marks.cover()
        return cover[1] if cover else WindowList(self._job.windows.window_kji, ())

    def _encode(self, plane: CorrectedPlane, start: Triple, planes: Sequence[CorrectedPlane]) -> EncodedWindow:
        images = self._reader.read([start], self._job.windows.window_kji).to(self._device)
        features = self._network.encode(images)
        quantized = self._network.quantize(features)
        features = [*features[:-1], features[-1] if quantized is None else quantized.quantized]
        drawn = _draw_target(planes, start, self._job.windows.window_kji)
        target = torch.from_numpy(drawn).to(self._device).reshape(1, *images.shape[2:])
        axis = plane.axis - (3 - (target.ndim - 1))
        if axis >= 0 and _is_local(self._network):
            middle = plane.index - start[plane.axis]
            features, target = _keep_near(features, target, axis, middle - self._reach, middle + self._reach + 1)
        with autocasting(self._device, self._dtype):
            before = self._network.decode(features, features[-1], target.shape[1:])
        return EncodedWindow(features, before.float().softmax(1), target)


def _is_local(network: VQSegNet) -> bool:
    """Whether a decoder in evaluation mode answers the same for a part of a map, away from the cut."""
    encoder = network.config.encoder
    return isinstance(encoder, ConvEncoderConfig) and encoder.norm == "batch"


def _keep_near(
    features: Sequence[Tensor], target: Tensor, axis: int, start: int, stop: int
) -> tuple[list[Tensor], Tensor]:
    """Cut maps and target to the tokens of the coarsest map that hold the voxels from start to stop."""
    tokens, voxels = features[-1].shape[2 + axis], target.shape[1 + axis]
    first, last = max(0, start * tokens // voxels), min(tokens, -(-stop * tokens // voxels))

    def narrow(one: Tensor, dim: int) -> Tensor:
        times = one.shape[dim] // tokens
        return one.narrow(dim, first * times, (last - first) * times).clone()

    return [narrow(one, 2 + axis) for one in features], narrow(target, 1 + axis)


def _draw_target(planes: Sequence[CorrectedPlane], start: Triple, window: Triple) -> npt.NDArray[np.int64]:
    """Return the classes of a window ``(K, J, I)``: those of the planes that cross it, ``IGNORED`` elsewhere."""
    target = np.full(window, IGNORED, dtype=np.int64)
    stop = tuple(low + side for low, side in zip(start, window, strict=True))
    for plane in planes:
        if not start[plane.axis] <= plane.index < stop[plane.axis]:
            continue
        shape = list(plane.classes.shape)
        shape[plane.axis] = plane.index + 1
        inside = Box(start, (stop[0], stop[1], stop[2])).intersection(Box.whole((shape[0], shape[1], shape[2])))
        if inside is None:
            continue
        source, place = (
            list(inside.slices),
            [slice(part.start - low, part.stop - low) for part, low in zip(inside.slices, start, strict=True)],
        )
        source[plane.axis] = slice(0, 1)
        place[plane.axis] = slice(plane.index - start[plane.axis], plane.index - start[plane.axis] + 1)
        target[tuple(place)] = plane.classes[tuple(source)]
    return target
