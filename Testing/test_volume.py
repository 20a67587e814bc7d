import numpy as np
import pytest

from VQSegLib.errors import VolumeError
from VQSegLib.volume import Volume

AFFINE = np.diag([-0.5, -0.7, 3.0, 1.0])


def test_shape_and_spacing_are_in_slice_row_column_order():
    volume = Volume(np.zeros((4, 5, 6)), AFFINE)
    assert volume.shape_kji == (4, 5, 6)
    assert volume.spacing_mm_kji == pytest.approx((3.0, 0.7, 0.5))


@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 4, 5), (0, 4, 4)])
def test_other_than_three_axes_are_refused(shape):
    with pytest.raises(VolumeError, match="needs three axes"):
        Volume(np.zeros(shape), AFFINE)


@pytest.mark.parametrize("affine", [np.eye(3), np.zeros((4, 4)), np.full((4, 4), np.nan), np.diag([1.0, 1, 0, 1])])
def test_a_geometry_that_is_no_geometry_is_refused(affine):
    with pytest.raises(VolumeError, match="invertible 4x4 matrix"):
        Volume(np.zeros((2, 2, 2)), affine)


def test_an_array_of_another_shape_is_refused():
    volume = Volume(np.zeros((2, 3, 4)), AFFINE)
    assert volume.with_array(np.ones((2, 3, 4))).array.sum() == 24
    with pytest.raises(VolumeError, match="does not fit the geometry"):
        volume.with_array(np.ones((2, 4, 3)))


def test_geometry_is_compared_by_where_the_corners_lie():
    volume = Volume(np.zeros((100, 3, 4)), AFFINE)
    nearly, turned = AFFINE.copy(), AFFINE.copy()
    nearly[0, 3] += 1e-4
    turned[0, 2] = 1e-4  # 0.01 mm at the last of 100 slices
    assert volume.has_geometry_of(Volume(np.ones((100, 3, 4)), nearly))
    assert not volume.has_geometry_of(Volume(np.ones((100, 3, 4)), turned))
    assert not volume.has_geometry_of(Volume(np.ones((99, 3, 4)), AFFINE))
