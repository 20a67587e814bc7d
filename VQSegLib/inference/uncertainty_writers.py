"""Turn blended channels into maps of uncertainty in the input's geometry."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from VQSegLib.box import Box, Triple
from VQSegLib.inference.ambiguous_windows import AmbiguityMap
from VQSegLib.inference.label_writer import LabelWriter, to_numpy
from VQSegLib.inference.perturbed_decodes import entropy_of_logits
from VQSegLib.inference.slice_resampling import SliceResampler

AMBIGUOUS_NATS = 0.2
"""Entropy above which a voxel counts as ambiguous: about 5 % for another class."""
SURE_NATS = 1e-3
"""Entropy that is not worth telling from none: one in ten thousand for another class. Nine tenths of the voxels of a
scan lie between neighbours that are all as sure, and interpolating them would take longer than the network does."""

HalfMap = npt.NDArray[np.float16]


class SurveyWriter(LabelWriter):
    """Label map, plain entropy, likeliest structure, and where the model grid is ambiguous."""

    def __init__(
        self,
        label_map: npt.NDArray[np.uint8],
        entropy: HalfMap,
        structure: npt.NDArray[np.uint8],
        ambiguity: AmbiguityMap,
        grid_shape_kji: Triple,
        region: Box,
        values: tuple[int, ...],
    ) -> None:
        """Prepare to write.

        Args:
            label_map: Canonical ``(K, J, I)`` array to fill, see :class:`LabelWriter`.
            entropy: The same shape; filled with the entropy of the plain probabilities, nats; 0 where the model is
                sure.
            structure: The same shape; filled with the value of the likeliest structure, background apart; where the
                model is sure, with that of the nearest voxel of the model grid.
            ambiguity: Marked where the entropy on the model grid is not small.
            grid_shape_kji: Shape of the model grid.
            region: Box on the model grid whose logits will come.
            values: Label value of each network class, background first.
        """
        super().__init__(label_map, grid_shape_kji, region, values)
        self._entropy, self._structure, self._ambiguity, self._region = entropy, structure, ambiguity, region

    def write(self, grid_k: int, logits: Tensor) -> None:
        """Take the logits ``(num_classes, J, I)`` of the region's slice ``grid_k``."""
        super().write(grid_k, logits)
        places = (entropy_of_logits(logits) > AMBIGUOUS_NATS).nonzero().cpu().numpy()
        first = np.array((grid_k, *self._region.start_kji[1:]))
        self._ambiguity.mark(np.pad(places, ((0, 0), (1, 0))) + first)

    def write_output(self, index: int, logits: Tensor) -> None:
        """Write one slice of all three maps."""
        logits = logits.cpu()
        classes, structure = _classify(logits)
        label_map, structures = (self.plane.spread(self.values.take(one)) for one in (classes, structure))
        entropy = np.zeros(label_map.shape, np.float16)
        is_unsure = (entropy_of_logits(logits) > SURE_NATS).numpy()
        places = self.plane.find(self.plane.touched(is_unsure) | self.plane.mixed(classes))
        if places[0].size:
            between = self.plane.interpolate(logits, places)
            entropy[places] = entropy_of_logits(between).half().numpy()
            label_map[places], structures[places] = (self.values.take(one) for one in _classify(between))
        for whole, part in ((self._label_map, label_map), (self._structure, structures), (self._entropy, entropy)):
            whole[index, *self.plane.output] = part


class PerturbationWriter:
    """Adds what perturbed decodes change to the plain entropy, and writes their disagreement."""

    def __init__(
        self, entropy: HalfMap, disagreement: HalfMap, grid_shape_kji: Triple, region: Box, num_classes: int
    ) -> None:
        """Prepare to write.

        Args:
            entropy: Canonical ``(K, J, I)`` plain entropy, nats; changed in place.
            disagreement: The same shape, zero.
            grid_shape_kji: Shape of the model grid.
            region: Box on the model grid whose slices will come; slices left out change nothing.
            num_classes: Bounds the entropy.
        """
        self._entropy, self._disagreement, self._region = entropy, disagreement, region
        self._most = math.log(num_classes)
        slices, rows, columns = entropy.shape
        self._resampler = SliceResampler((slices, rows, columns), grid_shape_kji, region, self._write_output)
        self._next_k = region.start_kji[0]

    def write(self, grid_k: int, channels: Tensor) -> None:
        """Take a blended slice in the channels of :class:`PerturbedDecodes`, weighted by the last one."""
        self._fill_up_to(grid_k)
        values = channels.cpu()
        # Where no window lies, both are zero.
        self._resampler.write(grid_k, values[:2] / values[2].clamp_min(torch.finfo(torch.float16).tiny))
        self._next_k = grid_k + 1

    def finish(self) -> None:
        """Tell that no slice will come any more."""
        self._fill_up_to(self._region.stop_kji[0])

    def _fill_up_to(self, stop_k: int) -> None:
        nothing = torch.zeros(2, *self._region.shape_kji[1:])
        for grid_k in range(self._next_k, stop_k):
            self._resampler.write(grid_k, nothing)
        self._next_k = stop_k

    def _write_output(self, index: int, channels: Tensor) -> None:
        plane = self._resampler.plane
        places = plane.find(plane.touched((channels.abs() > SURE_NATS).any(0).numpy()))
        if not places[0].size:
            return
        added, disagreement = plane.interpolate(channels, places).numpy()
        entropy = self._entropy[index, *plane.output]
        entropy[places] = np.clip(entropy[places].astype(np.float32) + added, 0, self._most)
        self._disagreement[index, *plane.output][places] = disagreement


def _classify(logits: Tensor) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return the class, and the class of the likeliest structure, of logits with the classes first."""
    highest, structure = logits[1:].max(dim=0)
    structure += 1
    return to_numpy(torch.where(highest > logits[0], structure, 0)), to_numpy(structure)
