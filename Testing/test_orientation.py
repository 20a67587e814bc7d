from itertools import permutations, product

import numpy as np
import pytest

from VQSegLib.box import Box
from VQSegLib.orientation import AxisMap, to_canonical
from VQSegLib.volume import Volume

LPS = np.diag([-0.5, -0.7, 3.0, 1.0])


def affines():
    for order in permutations(range(3)):
        for signs in product((-1, 1), repeat=3):
            affine = np.eye(4)
            affine[:3, :3] = (np.eye(3) * [0.5, 0.7, 3.0] * signs)[:, order]
            affine[:3, 3] = [10, 20, 30]
            yield affine


@pytest.mark.parametrize("affine", list(affines()))
def test_canonical_axes_run_left_posterior_superior_and_no_voxel_moves(affine):
    volume = Volume(np.arange(2 * 3 * 4).reshape(2, 3, 4), affine)
    canonical = to_canonical(volume)
    directions = canonical.affine_ijk_to_ras[:3, :3]
    np.testing.assert_allclose(np.sign(np.diag(directions)), [-1, -1, 1])
    np.testing.assert_allclose(directions - np.diag(np.diag(directions)), 0)
    assert np.shares_memory(canonical.array, volume.array)
    for value in (0, 7, 23):
        places = []
        for each in (volume, canonical):
            k, j, i = np.argwhere(each.array == value)[0]
            places.append(each.affine_ijk_to_ras @ [i, j, k, 1])
        np.testing.assert_allclose(places[0], places[1])
    axis_map = AxisMap.of(affine)
    box = Box((0, 1, 1), (1, 3, 3))
    in_canonical = canonical.array[axis_map.box_to_canonical(box, volume.shape_kji).slices]
    assert sorted(in_canonical.ravel()) == sorted(volume.array[box.slices].ravel())


@pytest.mark.parametrize("degrees", [-44, -20, 10, 44])
def test_an_oblique_volume_keeps_its_grid(degrees):
    angle = np.deg2rad(degrees)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    volume = Volume(np.arange(24).reshape(2, 3, 4), turn @ LPS)
    np.testing.assert_array_equal(to_canonical(volume).array, volume.array)
    np.testing.assert_array_equal(to_canonical(volume).affine_ijk_to_ras, volume.affine_ijk_to_ras)


def test_a_sheared_volume_still_has_closest_axes():
    sheared = LPS.copy()
    sheared[:3, 2] += LPS[:3, 1] * 2
    np.testing.assert_array_equal(to_canonical(Volume(np.arange(24).reshape(2, 3, 4), sheared)).array.shape, (2, 3, 4))
