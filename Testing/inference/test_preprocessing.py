from pathlib import Path

import numpy as np
import pytest

from VQSegLib.box import Box
from VQSegLib.errors import VolumeError
from VQSegLib.image_files import load_label_map, load_volume
from VQSegLib.inference.preprocessing import (
    compute_body_box,
    normalize,
    prepare_case,
    prepare_label_map,
    resample_to_model_grid,
)
from VQSegLib.models.config import PreprocessingConfig
from VQSegLib.volume import Volume

DATA = Path(__file__).parents[1] / "data"
LPS = np.diag([-2.0, -2.0, 3.0, 1.0])


def test_native_spacing_costs_no_copy():
    volume = Volume(np.zeros((4, 5, 6), dtype=np.int16), np.diag([2.0, -2.0, 3.0, 1.0]))
    grid = resample_to_model_grid(volume, PreprocessingConfig())
    assert np.shares_memory(grid.array, volume.array)
    assert grid.spacing_mm_kji == pytest.approx((3.0, 2.0, 2.0))


def test_the_grid_has_the_models_spacing_and_the_inputs_extent():
    volume = Volume(np.zeros((20, 30, 40), dtype=np.int16), LPS)
    grid = resample_to_model_grid(volume, PreprocessingConfig(spacing_mm_kji=(2.0, 4.0, 1.0)))
    assert grid.shape_kji == (30, 15, 80)
    assert grid.spacing_mm_kji == pytest.approx((2.0, 4.0, 1.0))
    thin = resample_to_model_grid(volume, PreprocessingConfig(spacing_mm_kji=(500.0, 4.0, 4.0)))
    assert thin.shape_kji == (1, 15, 20)


def test_float64_becomes_float32_and_half_floats_too():
    for kind in (np.float64, np.float16):
        volume = Volume(np.full((3, 3, 3), 0.5, dtype=kind), LPS)
        assert resample_to_model_grid(volume, PreprocessingConfig()).array.dtype == np.float32


def test_the_window_is_mapped_and_clipped():
    config = PreprocessingConfig(window_low=-100, window_high=300, mean=(0.5,), std=(0.25,))
    result = normalize(np.array([-3024, -100, 100, 300, 2000], dtype=np.int16), config)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, [[-2, -2, 0, 2, 2]])
    assert normalize(np.zeros((2, 3)), PreprocessingConfig(mean=(0.1, 0.2, 0.3), std=(1, 1, 1))).shape == (3, 2, 3)


def body_ct(padding: int) -> np.ndarray:
    array = np.full((20, 60, 60), padding, dtype=np.int16)
    array[:, 5:55, 5:55] = -1000
    array[3:18, 20:40, 15:45] = 40
    array[:, 52, 5:55] = 100  # the table: thinner than the body
    return array


@pytest.mark.parametrize("padding", [-1000, -3024])
def test_the_body_is_found_whatever_the_padding(padding):
    config = PreprocessingConfig(body_threshold_hu=-400)
    assert compute_body_box(body_ct(padding), (10.0, 5.0, 5.0), config) == Box((1, 17, 12), (20, 43, 48))


def test_the_body_search_on_every_nth_voxel_covers_the_body(monkeypatch):
    monkeypatch.setattr("VQSegLib.inference.preprocessing._BODY_SEARCH_VOXELS", 2000)
    box = compute_body_box(body_ct(-1000), (10.0, 5.0, 5.0), PreprocessingConfig(body_threshold_hu=-400))
    assert box.intersection(Box((3, 20, 15), (18, 40, 45))) == Box((3, 20, 15), (18, 40, 45))
    assert box.shape_kji[1] < 60


def test_without_body_or_threshold_everything_is_kept():
    array = np.full((5, 6, 7), -1000, dtype=np.int16)
    assert compute_body_box(array, (1, 1, 1), PreprocessingConfig(body_threshold_hu=0)) == Box.whole((5, 6, 7))
    assert compute_body_box(body_ct(0), (1, 1, 1), PreprocessingConfig()) == Box.whole((20, 60, 60))


def test_a_case_is_prepared_with_its_label_on_the_same_grid():
    image = load_volume(DATA / "odd" / "ct-64-transformed.nrrd")
    label = load_label_map(DATA / "odd" / "lm-64-transformed.nrrd")
    config = PreprocessingConfig(spacing_mm_kji=(4.0, 5.0, 5.0), body_threshold_hu=-400)
    case = prepare_case(image, label, config)
    assert case.image_hu.dtype == np.int16
    assert case.image_hu.flags.c_contiguous
    assert case.label is not None
    assert case.label.shape == case.image_hu.shape
    assert case.image_hu[case.label > 0].mean() < -600  # the labels are lung
    assert prepare_case(image, None, config).label is None


def test_a_label_map_with_reversed_rows_is_brought_to_its_image():
    """``example_seg_dicom`` has its row axis reversed: it covers the CT in physical space only."""
    image = load_volume(DATA / "odd" / "dicom_jpeg2000")
    label = load_label_map(DATA / "odd" / "example_seg_dicom.nii.gz")
    assert label.affine_ijk_to_ras[1, 1] * image.affine_ijk_to_ras[1, 1] < 0
    same_slices = Volume(label.array[:4], label.affine_ijk_to_ras)
    config = PreprocessingConfig()
    prepared = prepare_label_map(same_slices, image, config)
    liver, hu = prepared == 5, prepare_case(image, None, config).image_hu
    assert np.count_nonzero(liver) > 1000
    assert 0 < np.median(hu[liver]) < 200
    assert np.percentile(hu[prepared > 0], 10) > -200


def test_a_label_map_elsewhere_is_refused():
    image = Volume(np.zeros((5, 5, 5), dtype=np.int16), LPS)
    moved = LPS.copy()
    moved[0, 3] = 1.0
    for label in (Volume(np.zeros((5, 5, 5), np.uint8), moved), Volume(np.zeros((4, 5, 5), np.uint8), LPS)):
        with pytest.raises(VolumeError, match="does not lie on the voxels of its image"):
            prepare_label_map(label, image, PreprocessingConfig())
