"""Cutting patches: at borders, out of cases smaller than a patch, in 2-D, 2.5-D and 3-D."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from VQSegLib.inference.window_reader import WindowReader
from VQSegLib.training.case_cache import ANYWHERE
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.patches import PatchCutter, cut_box

FLAT = {"kind": "conv", "channels": (8, 16), "strides": ((1, 1), (2, 2))}
MakeConfig = Callable[..., TrainingConfig]


def flat_config(make_config: MakeConfig, channels: int = 1, **preprocessing: Any) -> TrainingConfig:
    return make_config(
        network={"spatial_dims": 2, "in_channels": channels, "encoder": FLAT},
        data={"patch_size": (6, 8)},
        preprocessing={"patch_size": (6, 8), **preprocessing},
    )


@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    size=st.tuples(*[st.integers(1, 9)] * 3),
    center=st.tuples(*[st.integers(-6, 14)] * 3),
)
@settings(max_examples=100, deadline=None)
def test_a_box_holds_the_array_where_they_meet_and_the_fill_elsewhere(
    shape: tuple[int, ...], size: tuple[int, ...], center: tuple[int, ...]
) -> None:
    array = np.arange(1, np.prod(shape) + 1, dtype=np.int16).reshape(shape)
    box = cut_box(array, np.array(center), size, -7.5)
    assert box.shape == size
    assert box.dtype == np.float32
    for index in np.ndindex(size):
        place = tuple(c - s // 2 + x for c, s, x in zip(center, size, index, strict=True))
        inside = all(0 <= p < side for p, side in zip(place, shape, strict=True))
        assert box[index] == (array[place] if inside else -7.5)


def test_unsigned_images_are_filled_with_air() -> None:
    assert cut_box(np.ones((2, 2, 2), dtype=np.uint16), np.array([0, 0, 0]), (4, 4, 4), -1000).min() == -1000


@pytest.mark.parametrize("shape", [(8, 12, 12), (9, 13, 30), (3, 12, 40)])
def test_centres_keep_the_patch_inside_and_reach_both_ends(shape: tuple[int, ...], make_config: MakeConfig) -> None:
    cutter = PatchCutter(make_config())
    image = np.zeros(shape, dtype=np.int16)
    rng = np.random.default_rng(0)
    starts = np.array([cutter.draw_center(image, rng) - np.array([4, 6, 6]) for _ in range(400)])
    for axis, (side, part) in enumerate(zip(shape, (8, 12, 12), strict=True)):
        if side >= part:
            assert starts[:, axis].min() == 0
            assert starts[:, axis].max() == side - part
        else:
            assert len(set(starts[:, axis])) == 1


def test_every_slice_is_drawn_in_two_dimensions(make_config: MakeConfig) -> None:
    cutter = PatchCutter(flat_config(make_config))
    image, rng = np.zeros((5, 6, 8), dtype=np.int16), np.random.default_rng(0)
    assert {int(cutter.draw_center(image, rng)[0]) for _ in range(200)} == {0, 1, 2, 3, 4}


def test_centres_lie_in_the_body(make_config: MakeConfig) -> None:
    cutter = PatchCutter(make_config(preprocessing={"body_threshold_hu": -300}))
    image = np.full((20, 40, 40), -1000, dtype=np.int16)
    image[8:14, 12:30, 12:30] = 0
    rng = np.random.default_rng(0)
    inside = [image[tuple(cutter.draw_center(image, rng))] > -300 for _ in range(100)]
    assert np.mean(inside) > 0.5
    # Nothing but air is no reason to draw for ever.
    cutter.draw_center(np.full((20, 40, 40), -1000, dtype=np.int16), rng)


def test_labeled_centres_lie_near_voxels_of_every_class(make_config: MakeConfig) -> None:
    cutter = PatchCutter(make_config(data={"foreground_probability": 1}))
    rows = np.array([[1, 5, 5, 5]] * 1000 + [[3, 15, 25, 25]] + [[ANYWHERE, 0, 0, 0]] * 500)
    rng = np.random.default_rng(0)
    centers = np.array([cutter.draw_labeled_center(rows, np.zeros(3), rng) for _ in range(400)])
    near_first = np.all(np.abs(centers - 5) <= [1, 2, 2], axis=1)
    near_second = np.all(np.abs(centers - [15, 25, 25]) <= [1, 2, 2], axis=1)
    assert np.all(near_first | near_second)
    assert 0.4 < near_second.mean() < 0.6
    otherwise = np.array([1, 2, 3])
    assert cutter.draw_labeled_center(np.empty((0, 4), dtype=np.int32), otherwise, rng) is otherwise


def test_centres_that_need_no_label_still_lie_where_a_person_judged(make_config: MakeConfig) -> None:
    cutter = PatchCutter(make_config(data={"foreground_probability": 0}))
    rng, otherwise = np.random.default_rng(0), np.array([0, 0, 0])
    assert cutter.draw_labeled_center(np.array([[1, 5, 5, 5]]), otherwise, rng) is otherwise
    center = cutter.draw_labeled_center(np.array([[1, 5, 5, 5], [ANYWHERE, 40, 40, 40]]), otherwise, rng)
    assert np.all(np.abs(center - 40) <= [1, 2, 2])


def test_a_volume_patch_is_normalized_and_larger_by_an_even_number(make_config: MakeConfig) -> None:
    cutter = PatchCutter(make_config(preprocessing={"window_low": 0, "window_high": 100}))
    assert cutter.outer_kji == (12, 16, 16)
    image = np.full((30, 30, 30), 50, dtype=np.int16)
    image[15, 15, 15] = 200
    patch = cutter.cut_image(image, np.array([15, 15, 15]))
    assert patch.shape == (1, 12, 16, 16)
    assert patch[0, 6, 8, 8] == 1
    assert patch[0, 0, 0, 0] == 0
    target = cutter.cut_target((image == 200).astype(np.uint8), np.array([15, 15, 15]))
    assert target.dtype == torch.int64
    assert target.nonzero().tolist() == [[6, 8, 8]]


@pytest.mark.parametrize(
    ("channels", "preprocessing"),
    [(1, {}), (3, {}), (5, {}), (2, {}), (3, {"mean": (0.1, 0.2, 0.3), "std": (1.0, 2.0, 3.0)})],
)
@pytest.mark.parametrize("slice_index", [0, 2, 4])
def test_a_slice_looks_to_the_network_as_in_inference(
    channels: int, preprocessing: dict[str, Any], slice_index: int, make_config: MakeConfig
) -> None:
    config = flat_config(make_config, channels, **preprocessing)
    cutter = PatchCutter(config)
    image = np.random.default_rng(0).integers(-1000, 1000, (5, 20, 24), dtype=np.int16)
    center = np.array([slice_index, 10, 12])
    patch = cutter.cut_image(image, center)
    _, outer_j, outer_i = cutter.outer_kji
    start = (slice_index, 10 - outer_j // 2, 12 - outer_i // 2)
    expected = WindowReader(image, config.network, config.preprocessing).read([start], (1, outer_j, outer_i))[0]
    assert torch.equal(patch, expected)
    target = cutter.cut_target(np.full((5, 20, 24), slice_index, dtype=np.uint8), center)
    assert target.shape == (outer_j, outer_i)
