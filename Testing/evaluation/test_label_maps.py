"""What may be scored: whole numbers on one physical grid."""

import itertools

import numpy as np
import pytest

from VQSegLib.errors import VolumeError
from VQSegLib.evaluation.label_maps import align, check_label_map, find_values
from VQSegLib.volume import Volume

AFFINE = np.array([[-0.8, 0.1, 0.0, 30.0], [0.1, -0.8, 0.2, -20.0], [0.0, 0.2, 2.5, 10.0], [0.0, 0.0, 0.0, 1.0]])


def stored_otherwise(volume: Volume, axes_ijk: tuple[int, ...], flips: tuple[bool, ...]) -> Volume:
    """Store the same physical voxels with permuted and reversed axes."""
    array = volume.array.transpose(2, 1, 0).transpose(axes_ijk)
    affine = np.eye(4)
    affine[:3, 3] = volume.affine_ijk_to_ras[:3, 3]
    for new, (old, flip) in enumerate(zip(axes_ijk, flips, strict=True)):
        step = volume.affine_ijk_to_ras[:3, old]
        affine[:3, new] = -step if flip else step
        affine[:3, 3] += step * (array.shape[new] - 1) if flip else 0
    array = array[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
    return Volume(np.ascontiguousarray(array.transpose(2, 1, 0)), affine)


def test_grid_stored_in_any_of_48_ways_is_the_same_grid() -> None:
    volume = Volume(np.arange(24).reshape(2, 3, 4), AFFINE)
    for axes, flips in itertools.product(itertools.permutations(range(3)), itertools.product((False, True), repeat=3)):
        moved, fixed = align(stored_otherwise(volume, axes, flips), volume, "They")
        np.testing.assert_array_equal(moved.array, fixed.array)
        assert fixed.spacing_mm_kji == pytest.approx(moved.spacing_mm_kji)


def shifted(by_mm: float) -> np.ndarray:
    affine = AFFINE.copy()
    affine[2, 3] += by_mm
    return affine


def test_rounding_of_a_header_is_not_another_grid() -> None:
    align(Volume(np.zeros((2, 3, 4)), shifted(1e-3)), Volume(np.zeros((2, 3, 4)), AFFINE), "They")


@pytest.mark.parametrize(
    "other",
    [
        Volume(np.zeros((2, 3, 5)), AFFINE),
        Volume(np.zeros((2, 3, 4)), shifted(1.0)),
        Volume(np.zeros((2, 3, 4)), AFFINE @ np.diag([1.0, 1.0, 1.2, 1.0])),
        Volume(np.zeros((2, 3, 4)), AFFINE @ np.diag([-1.0, 1.0, 1.0, 1.0])),
    ],
    ids=["size", "origin", "spacing", "mirrored"],
)
def test_another_grid_is_refused_in_one_sentence(other: Volume) -> None:
    with pytest.raises(VolumeError, match=r"^Those two do not lie on the same voxel grid: .* mm; use label maps of"):
        align(other, Volume(np.zeros((2, 3, 4)), AFFINE), "Those two")


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.float32, np.float64])
def test_whole_numbers_of_any_type_are_labels(dtype) -> None:
    array = check_label_map(np.array([[0, 1], [1, 0]], dtype=dtype), "x.nrrd")
    assert np.issubdtype(array.dtype, np.integer)
    assert find_values(array) == {1}


@pytest.mark.parametrize("array", [np.array([0.0, 0.5]), np.array([0.0, np.nan]), np.array([0.0, np.inf])])
def test_fractions_are_refused(array) -> None:
    with pytest.raises(VolumeError, match=r"x.nrrd is not a label map: it holds the value (0.5|nan|inf)"):
        check_label_map(array, "x.nrrd")


@pytest.mark.parametrize("array", [np.array([-1024, 300], np.int16), np.array([0, 70000])])
def test_image_given_as_label_map_is_refused(array) -> None:
    with pytest.raises(VolumeError, match=r"values span .*allowed are 0..65535"):
        check_label_map(array, "ct.nrrd")


def test_background_is_no_label() -> None:
    assert find_values(np.array([[[0, 7, 300]], [[0, 0, 2]]])) == {2, 7, 300}
