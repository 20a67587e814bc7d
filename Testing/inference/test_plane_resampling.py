"""Planes of the model grid on the rows and columns of the input."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from VQSegLib.box import Box
from VQSegLib.inference.label_writer import LabelWriter
from VQSegLib.inference.plane_resampling import AxisInverse, PlaneResampler

GRID, OUTPUT = (18, 22), (50, 47)


def smooth_logits(classes: int = 5) -> torch.Tensor:
    torch.manual_seed(0)
    coarse = torch.randn(1, classes, 5, 6)
    return 4 * functional.interpolate(coarse, GRID, mode="bicubic")[0]


def interpolate_everywhere(channels: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(channels[None], OUTPUT, mode="bilinear", align_corners=False)[0]


@pytest.fixture
def plane() -> PlaneResampler:
    return PlaneResampler(*(AxisInverse.build(new, old, 0, old) for new, old in zip(OUTPUT, GRID, strict=True)))


def test_between_neighbours_that_agree_all_voxels_do(plane):
    logits = smooth_logits()
    classes = logits.argmax(0).numpy().astype(np.uint8)
    places = plane.find(plane.mixed(classes))
    found = plane.spread(classes)
    expected = interpolate_everywhere(logits).argmax(0).numpy()
    assert 0 < places[0].size < 0.7 * found.size
    wrong = found != expected
    assert wrong.any()
    wrong[places] = False
    assert not wrong.any()


def test_places_are_interpolated_between_their_four_neighbours(plane):
    logits = smooth_logits()
    rows, columns = np.indices(OUTPUT).reshape(2, -1)
    found = plane.interpolate(logits, (rows, columns))
    torch.testing.assert_close(found.reshape(-1, *OUTPUT), interpolate_everywhere(logits), rtol=1e-5, atol=1e-5)


def test_a_mark_touches_all_that_is_interpolated_from_it(plane):
    marked = np.zeros(GRID, bool)
    marked[7, 11] = True
    touched = np.zeros(OUTPUT, bool)
    touched[plane.find(plane.touched(marked))] = True
    influenced = interpolate_everywhere(torch.from_numpy(marked)[None].float())[0].numpy() > 0
    assert (touched >= influenced).all()
    assert touched.sum() < 3 * influenced.sum()


@pytest.mark.parametrize("scale", [1, 100])
def test_a_label_map_is_the_argmax_of_the_interpolated_logits(scale):
    logits = scale * smooth_logits(3)
    label_map = np.zeros((2, *OUTPUT), np.uint8)
    writer = LabelWriter(label_map, (2, *GRID), Box.whole((2, *GRID)), (0, 4, 9))
    for index in range(2):
        writer.write(index, logits)
    expected = np.array([0, 4, 9])[interpolate_everywhere(logits).argmax(0).numpy()]
    np.testing.assert_array_equal(label_map[1], expected)
