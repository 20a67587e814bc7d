"""Resample logits back to the input's grid, slice by slice, and take the argmax there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from VQSegLib.box import Box, Triple
from VQSegLib.inference.slice_resampling import SliceResampler


class LabelWriter:
    """Takes blended logits of the region's slices in ascending order and fills a label map.

    Logits, not labels, are interpolated, so the surface is placed below the size of a model voxel.

    Attributes:
        plane: From the region's rows and columns to those of the label map.
        values: Label value of each network class.
    """

    def __init__(
        self, label_map: npt.NDArray[np.uint8], grid_shape_kji: Triple, region: Box, values: tuple[int, ...]
    ) -> None:
        """Prepare to write.

        Args:
            label_map: Canonical ``(K, J, I)`` array (may be a view), zero outside what gets written.
            grid_shape_kji: Shape of the model grid, which covers the same extent.
            region: Box on the model grid whose logits will come.
            values: Label value of each network class, background first.
        """
        self._label_map = label_map
        self.values = np.array(values, dtype=np.uint8)
        slices, rows, columns = label_map.shape
        self._resampler = SliceResampler((slices, rows, columns), grid_shape_kji, region, self.write_output)
        self.plane = self._resampler.plane

    def write(self, grid_k: int, logits: torch.Tensor) -> None:
        """Take the logits ``(num_classes, J, I)`` of the region's slice ``grid_k``."""
        self._resampler.write(grid_k, logits)

    def write_output(self, index: int, logits: torch.Tensor) -> None:
        """Write one slice from the logits ``(num_classes, J, I)`` on the region's rows and columns."""
        # max is several times faster than argmax over the first axis on the CPU.
        classes = to_numpy(logits.max(dim=0).indices)
        values = self.plane.spread(self.values.take(classes))
        places = self.plane.find(self.plane.mixed(classes))
        if places[0].size:
            between = self.plane.interpolate(logits.cpu(), places)
            values[places] = self.values.take(to_numpy(between.max(dim=0).indices))
        self._label_map[index, *self.plane.output][...] = values


def to_numpy(classes: torch.Tensor) -> npt.NDArray[np.uint8]:
    """Return network classes as bytes."""
    found: npt.NDArray[np.uint8] = classes.to(torch.uint8).cpu().numpy()
    return found
