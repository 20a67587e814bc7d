import numpy as np
import pytest

from VQSegLib.errors import Cancelled
from VQSegLib.inference.resampling import resample_image, resample_label_map


def ramp(shape, axis):
    """Value = place of the voxel centre along an axis, in voxels of the input from its outer face."""
    index = np.arange(shape[axis], dtype=np.float32) + 0.5
    return np.broadcast_to(np.moveaxis(index[:, None, None], 0, axis), shape).astype(np.float32)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sides", [(10, 20), (20, 10), (12, 31), (31, 12), (7, 7)])
def test_a_ramp_keeps_its_place_on_every_axis(axis, sides):
    old, new = sides
    shape, target = [5, 6, 7], [5, 6, 7]
    shape[axis], target[axis] = old, new
    result = np.moveaxis(resample_image(ramp(tuple(shape), axis), tuple(target)), axis, 0)
    expected = (np.arange(new) + 0.5) * old / new
    border = max(1, round(new / old))
    np.testing.assert_allclose(result[border:-border, 0, 0], expected[border:-border], atol=0.05)


def test_thin_slices_are_averaged_not_picked():
    noise = np.random.default_rng(0).normal(0, 100, (80, 20, 20)).astype(np.float32)
    assert resample_image(noise, (10, 20, 20)).std() < 0.45 * noise.std()


def test_integers_stay_integers_and_are_rounded():
    array = np.array([0, 3], dtype=np.int16).reshape(2, 1, 1)
    result = resample_image(array, (4, 1, 1))
    assert result.dtype == np.int16
    assert result.ravel().tolist() == [0, 1, 2, 3]
    assert resample_image(array.reshape(1, 1, 2), (1, 3, 4))[0, 2].tolist() == [0, 1, 2, 3]
    assert resample_image(array.reshape(1, 2, 1), (3, 4, 2))[1, :, 1].tolist() == [0, 1, 2, 3]
    wide = resample_image(np.full((4, 4, 4), 100_000, dtype=np.int32), (2, 2, 2))
    assert wide.dtype == np.float32
    assert wide.max() == 100_000


def test_padding_below_air_does_not_bleed_into_the_body():
    array = np.array([-3024, 0], dtype=np.int16).reshape(1, 1, 2)
    assert resample_image(array, (1, 1, 4), minimum=-1024).min() == -1024


def test_chunks_do_not_change_the_result(monkeypatch):
    array = np.random.default_rng(0).integers(-1000, 1000, (13, 14, 15)).astype(np.int16)
    whole = resample_image(array, (20, 9, 17))
    monkeypatch.setattr("VQSegLib.inference.resampling._CHUNK_VOXELS", 400)
    fractions = []
    np.testing.assert_array_equal(resample_image(array, (20, 9, 17), on_fraction=fractions.append), whole)
    assert len(fractions) > 3
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_work_stops_when_the_callback_raises():
    def stop(_fraction):
        raise Cancelled

    with pytest.raises(Cancelled):
        resample_image(np.zeros((4, 4, 4), dtype=np.int16), (8, 8, 8), on_fraction=stop)


def test_labels_are_never_mixed_into_other_labels():
    array = np.zeros((8, 8, 8), dtype=np.uint8)
    array[:, :4], array[:, 4:] = 2, 200
    result = resample_label_map(array, (13, 5, 11))
    assert result.dtype == np.uint8
    assert set(np.unique(result)) == {2, 200}


def test_a_label_map_survives_refinement_and_back():
    rng = np.random.default_rng(0)
    array = np.kron(rng.integers(0, 4, (5, 5, 5)), np.ones((3, 3, 3))).astype(np.uint8)
    finer = resample_label_map(array, (45, 45, 45))
    np.testing.assert_array_equal(finer[1::3, 1::3, 1::3], array)
