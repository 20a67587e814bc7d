"""From a volume in its own geometry to arrays on the model's grid, and from HU to network input.

Order: canonical orientation, resampling, (body box), intensity window. Resampling is kept apart from windowing, so a
training cache can hold int16 HU on the model's grid and inference sees the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from VQSegLib.box import Box, Triple
from VQSegLib.errors import VolumeError
from VQSegLib.inference.resampling import resample_image, resample_label_map
from VQSegLib.models.config import PreprocessingConfig
from VQSegLib.orientation import AxisMap, to_canonical
from VQSegLib.volume import Array, Volume

AIR_HU = -1024
"""Nothing is below air: scanner padding such as -3024 is raised to it before it can bleed into the body's edge."""
BODY_MARGIN_MM = 10.0
_BODY_SEARCH_VOXELS = 2_000_000


@dataclass(frozen=True)
class ModelGridImage:
    """HU on the model's grid: canonical axes (see :mod:`VQSegLib.orientation`) at the model's spacing.

    The grid covers exactly the extent of the input, from the outer face of its first voxel to that of its last one,
    so index ``x`` of the grid lies at ``(x + 0.5) * input_side / grid_side - 0.5`` of the canonical input.

    Attributes:
        array: ``(K, J, I)`` HU before windowing; int16 when the input held integers, else float32.
        spacing_mm_kji: Spacing of the grid (the model's, up to rounding of the number of voxels).
        axis_map: From the input's axes to canonical ones.
        canonical_shape_kji: Shape of the input in canonical axis order.
    """

    array: Array
    spacing_mm_kji: tuple[float, float, float]
    axis_map: AxisMap
    canonical_shape_kji: Triple

    @property
    def shape_kji(self) -> Triple:
        """Shape of the grid."""
        k, j, i = self.array.shape
        return k, j, i


@dataclass(frozen=True)
class PreparedCase:
    """One case on the model's grid, as training and its cache need it.

    Attributes:
        image_hu: ``(K, J, I)`` int16 or float32 HU, not windowed.
        label: ``(K, J, I)`` label values, or None for an unlabeled case.
        spacing_mm_kji: Spacing of the grid.
        body: Box of the body on the grid; the whole grid when the configuration asks for no crop.
    """

    image_hu: Array
    label: Array | None
    spacing_mm_kji: tuple[float, float, float]
    body: Box


def compute_grid_shape(volume: Volume, spacing_mm_kji: tuple[float, float, float] | None) -> Triple:
    """Return the model grid's shape for a canonical volume; at least one voxel per axis."""
    if spacing_mm_kji is None:
        return volume.shape_kji
    k, j, i = (
        max(1, round(side * own / wanted))
        for side, own, wanted in zip(volume.shape_kji, volume.spacing_mm_kji, spacing_mm_kji, strict=True)
    )
    return k, j, i


def resample_to_model_grid(
    volume: Volume, config: PreprocessingConfig, on_fraction: Callable[[float], None] | None = None
) -> ModelGridImage:
    """Bring an image to canonical axes and the model's spacing; values stay HU.

    Without a change of spacing the array is a view of the input, so a large CT costs no memory.

    Args:
        volume: Image in any orientation.
        config: Spacing of the model.
        on_fraction: Called now and then with the share done (0..1); what it raises ends the work.
    """
    canonical = to_canonical(volume)
    shape = compute_grid_shape(canonical, config.target_spacing_mm_kji(canonical.spacing_mm_kji))
    array = canonical.array
    if shape != canonical.shape_kji:
        array = resample_image(array, shape, minimum=AIR_HU, on_fraction=on_fraction)
    elif not _is_stored_as_network_reads(array):
        array = array.astype(np.float32)
    spacing = _rescaled_spacing(canonical, shape)
    return ModelGridImage(array, spacing, AxisMap.of(volume.affine_ijk_to_ras), canonical.shape_kji)


def prepare_label_map(label: Volume, image: Volume, config: PreprocessingConfig) -> Array:
    """Bring a label map to the model grid of its image: per-label linear interpolation, then the strongest label.

    The label map may be stored with other axis directions than the image, as long as it covers the same voxels.

    Raises:
        VolumeError: If label map and image do not cover the same voxels.
    """
    canonical, reference = to_canonical(label), to_canonical(image)
    if not canonical.has_geometry_of(reference):
        msg = (
            f"The label map does not lie on the voxels of its image: label map {label.shape_kji} voxels at "
            f"{_rounded(label.spacing_mm_kji)} mm, image {image.shape_kji} voxels at "
            f"{_rounded(image.spacing_mm_kji)} mm (or another origin or direction); resample it to the image first."
        )
        raise VolumeError(msg)
    shape = compute_grid_shape(canonical, config.target_spacing_mm_kji(canonical.spacing_mm_kji))
    if shape == canonical.shape_kji:
        return np.ascontiguousarray(canonical.array)
    return resample_label_map(canonical.array, shape)


def prepare_case(image: Volume, label: Volume | None, config: PreprocessingConfig) -> PreparedCase:
    """Bring image and label map to the model grid, for training; contiguous arrays, HU before windowing."""
    grid = resample_to_model_grid(image, config)
    return PreparedCase(
        image_hu=np.ascontiguousarray(grid.array),
        label=None if label is None else prepare_label_map(label, image, config),
        spacing_mm_kji=grid.spacing_mm_kji,
        body=compute_body_box(grid.array, grid.spacing_mm_kji, config),
    )


def normalize(array_hu: Array, config: PreprocessingConfig) -> npt.NDArray[np.float32]:
    """Return ``(channels, *shape)`` float32 network input, with as many channels as ``config.mean`` has values.

    Args:
        array_hu: HU of any shape.
        config: Window ``[window_low, window_high]`` is mapped to [0, 1] and clipped, then ``(x - mean) / std``.
    """
    scaled = np.asarray(array_hu, dtype=np.float32) - np.float32(config.window_low)
    scaled /= np.float32(config.window_high - config.window_low)
    np.clip(scaled, 0.0, 1.0, out=scaled)
    channels = [(scaled - np.float32(m)) / np.float32(s) for m, s in zip(config.mean, config.std, strict=True)]
    return np.stack(channels)


def compute_body_box(array_hu: Array, spacing_mm_kji: tuple[float, float, float], config: PreprocessingConfig) -> Box:
    """Return the bounding box of the largest component above ``body_threshold_hu``, with a margin.

    Padding values far below air do not matter. When the configuration asks for no crop, or nothing exceeds the
    threshold, the whole array is returned.
    """
    shape = (array_hu.shape[0], array_hu.shape[1], array_hu.shape[2])
    if config.body_threshold_hu is None:
        return Box.whole(shape)
    # Every n-th voxel finds a body well enough and keeps the labelling of a 512 x 512 x 600 CT below a second.
    step = max(1, int(np.ceil((array_hu.size / _BODY_SEARCH_VOXELS) ** (1 / 3))))
    components, count = ndimage.label(array_hu[::step, ::step, ::step] > config.body_threshold_hu)
    if count == 0:
        return Box.whole(shape)
    largest = int(np.argmax(np.bincount(components.ravel())[1:]))
    found = ndimage.find_objects(components)[largest]
    k0, j0, i0 = (part.start * step for part in found)
    k1, j1, i1 = (min(side, part.stop * step) for part, side in zip(found, shape, strict=True))
    margin_k, margin_j, margin_i = (step + round(BODY_MARGIN_MM / spacing) for spacing in spacing_mm_kji)
    return Box((k0, j0, i0), (k1, j1, i1)).grown((margin_k, margin_j, margin_i), shape)


def _is_stored_as_network_reads(array: Array) -> bool:
    return array.dtype == np.float32 or np.issubdtype(array.dtype, np.integer)


def _rescaled_spacing(canonical: Volume, shape: Triple) -> tuple[float, float, float]:
    k, j, i = (
        own * side / new for own, side, new in zip(canonical.spacing_mm_kji, canonical.shape_kji, shape, strict=True)
    )
    return k, j, i


def _rounded(values: tuple[float, float, float]) -> tuple[float, ...]:
    return tuple(round(value, 3) for value in values)
