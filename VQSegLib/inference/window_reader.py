"""Cut network input out of an image on the model grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from VQSegLib.box import Box, Triple
from VQSegLib.errors import ConfigError
from VQSegLib.inference.preprocessing import normalize
from VQSegLib.models.config import NetworkConfig, PreprocessingConfig
from VQSegLib.volume import Array


def neighbor_indices(index: int, count: int, channels: int) -> list[int]:
    """Return the slices that form the channels of a 2.5-D input: ``index`` in the middle, edges repeated."""
    return [min(max(index + offset - channels // 2, 0), count - 1) for offset in range(channels)]


class WindowReader:
    """Reads windows of an image in HU as normalized network input."""

    def __init__(self, array_hu: Array, network: NetworkConfig, preprocessing: PreprocessingConfig) -> None:
        """Prepare to read.

        Args:
            array_hu: ``(K, J, I)`` HU on the model grid.
            network: Decides between 3-D windows and slices with ``in_channels`` neighbours.
            preprocessing: Intensity window, mean and standard deviation.

        Raises:
            ConfigError: If the number of input channels does not follow from the configuration.
        """
        self._array = array_hu
        self._is_2d = network.spatial_dims == 2
        self._preprocessing = preprocessing
        values = len(preprocessing.mean)
        self._neighbors = network.in_channels if self._is_2d and values == 1 else 1
        if self._neighbors * values != network.in_channels:
            msg = (
                f"The network takes {network.in_channels} input channels, but the preprocessing makes "
                f"{self._neighbors * values} (mean has {values} values); make them equal in the model's configuration."
            )
            raise ConfigError(msg)

    def read(self, starts_kji: Sequence[Triple], window_kji: Triple) -> torch.Tensor:
        """Return ``(B, C, K, J, I)`` (3-D) or ``(B, C, J, I)`` (2-D, windows one slice deep) float32 input.

        Places outside the array hold the lower end of the intensity window.
        """
        return torch.from_numpy(np.stack([self._read_one(start, window_kji) for start in starts_kji]))

    def _read_one(self, start_kji: Triple, window_kji: Triple) -> npt.NDArray[np.float32]:
        if not self._is_2d:
            return normalize(self._cut(start_kji, window_kji), self._preprocessing)
        _, j, i = start_kji
        slices = neighbor_indices(start_kji[0], self._array.shape[0], self._neighbors)
        cut = np.concatenate([self._cut((k, j, i), window_kji) for k in slices])
        normalized = normalize(cut, self._preprocessing)
        return normalized.reshape(-1, *window_kji[1:])

    def _cut(self, start_kji: Triple, window_kji: Triple) -> npt.NDArray[np.float32]:
        k, j, i = (start + side for start, side in zip(start_kji, window_kji, strict=True))
        shape = (self._array.shape[0], self._array.shape[1], self._array.shape[2])
        result = np.full(window_kji, self._preprocessing.window_low, dtype=np.float32)
        inside = Box(start_kji, (k, j, i)).intersection(Box.whole(shape))
        if inside is not None:
            target = tuple(
                slice(part.start - start, part.stop - start)
                for part, start in zip(inside.slices, start_kji, strict=True)
            )
            result[target] = self._array[inside.slices]
        return result
