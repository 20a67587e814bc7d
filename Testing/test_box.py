import numpy as np
import pytest

from VQSegLib.box import Box
from VQSegLib.errors import UserError


def test_a_box_is_half_open():
    box = Box((1, 2, 3), (2, 5, 4))
    assert box.shape_kji == (1, 3, 1)
    assert np.zeros((9, 9, 9))[box.slices].shape == (1, 3, 1)


def test_growing_stops_at_the_array():
    assert Box((1, 5, 5), (3, 6, 6)).grown((2, 1, 9), (4, 10, 10)) == Box((0, 4, 0), (4, 7, 10))


def test_intersection_of_boxes():
    assert Box((0, 0, 0), (4, 4, 4)).intersection(Box((2, 3, 1), (9, 9, 2))) == Box((2, 3, 1), (4, 4, 2))
    assert Box((0, 0, 0), (4, 4, 4)).intersection(Box((4, 0, 0), (5, 4, 4))) is None


def test_an_empty_box_is_refused():
    with pytest.raises(UserError, match="holds no voxel"):
        Box((1, 1, 1), (1, 5, 5))


def test_a_box_around_what_is_not_zero():
    array = np.zeros((5, 6, 7), np.uint16)
    assert Box.around(array) is None
    array[1, 4, 2] = array[3, 2, 6] = 9
    assert Box.around(array) == Box((1, 2, 2), (4, 5, 7))
    assert Box.around(array[::-1]) == Box((1, 2, 2), (4, 5, 7))


def test_a_box_is_moved():
    assert Box((0, 1, 2), (1, 2, 3)).moved((5, 0, -2)) == Box((5, 1, 0), (6, 2, 1))
