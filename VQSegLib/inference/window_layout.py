"""Window sides and strides that fit a model."""

from __future__ import annotations

import math

from VQSegLib.box import Box, Triple
from VQSegLib.errors import ConfigError
from VQSegLib.inference.windows import WindowGrid, build_window_grid, compute_stride
from VQSegLib.models.protocol import SegmentationModel


def check_window_settings(
    model: SegmentationModel, window_batch_size: int | None, stride: tuple[int, ...] | None
) -> None:
    """Refuse settings that contradict the model.

    Raises:
        ConfigError: If patch or stride have another number of sides than the network, the label table another number
            of classes, or a number is below one.
    """
    config, patch = model.network_config, model.preprocessing.patch_size
    for what, sides in (("patch_size", patch), ("stride", stride)):
        if sides is not None and (len(sides) != config.spatial_dims or min(sides) < 1):
            msg = f"{what} needs {config.spatial_dims} sides of at least 1 for this network, given {sides}."
            raise ConfigError(msg)
    if stride is not None and (patch is None or any(s > p for s, p in zip(stride, patch, strict=True))):
        msg = f"stride must not exceed the model's patch_size {patch}, given {stride}; leave it out for whole slices."
        raise ConfigError(msg)
    if window_batch_size is not None and window_batch_size < 1:
        msg = f"window_batch_size must be at least 1, given {window_batch_size}; leave it out to choose by memory."
        raise ConfigError(msg)
    if model.labels.num_classes != config.num_classes:
        msg = (
            f"The network has {config.num_classes} classes, but its label table names {model.labels.num_classes} "
            "(background included); this model cannot be used."
        )
        raise ConfigError(msg)


def lay_windows(region: Box, shape_kji: Triple, model: SegmentationModel, stride: tuple[int, ...] | None) -> WindowGrid:
    """Lay the model's windows over a region of the model grid.

    Sides are rounded up to the network's ``size_divisor``. Without a patch size one window covers the region (3-D), or
    each slice of it (2-D).
    """
    window = _window_sides(region, model)
    if stride is None:
        return build_window_grid(region, shape_kji, window, compute_stride(window, model.preprocessing.overlap))
    steps = (1,) * (3 - len(stride)) + stride
    return build_window_grid(region, shape_kji, window, (steps[0], steps[1], steps[2]))


def _window_sides(region: Box, model: SegmentationModel) -> Triple:
    dims = model.network_config.spatial_dims
    sides = model.preprocessing.patch_size or region.shape_kji[3 - dims :]
    divisor: int | tuple[int, ...] = getattr(model.network, "size_divisor", 1)
    divisors = (divisor,) * dims if isinstance(divisor, int) else divisor
    rounded = [math.ceil(side / multiple) * multiple for side, multiple in zip(sides, divisors, strict=True)]
    k, j, i = [1] * (3 - dims) + rounded
    return k, j, i
