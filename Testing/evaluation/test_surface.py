"""Surface distances a person can check by hand, and agreement with medpy and MONAI on real contours."""

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from medpy.metric import binary as medpy
from monai.metrics import compute_surface_dice
from scipy import ndimage

from VQSegLib.errors import ConfigError, VolumeError
from VQSegLib.evaluation.overlap import dice, jaccard
from VQSegLib.evaluation.surface import asd_mm, assd_mm, compute_surface_distances, hd95_mm, surface_dice_at_mm

LABELS = Path(__file__).parents[1] / "data" / "openkbp_labels"
ORGANS = range(1, 8)
SPACING_MM_KJI = (2.5, 3.906, 4.1)


@cache
def load(case_id: str) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(LABELS / f"{case_id}_label.nii.gz")))


def crop(*label_maps: np.ndarray) -> tuple[np.ndarray, ...]:
    """Cut label maps to what they hold, as medpy takes seconds on a whole one."""
    where = np.argwhere(np.any(label_maps, axis=0))
    box = tuple(slice(low, high + 1) for low, high in zip(where.min(0), where.max(0), strict=True))
    return tuple(label_map[box] for label_map in label_maps)


def single(k: int, j: int, i: int) -> np.ndarray:
    mask = np.zeros((6, 7, 8), dtype=bool)
    mask[k, j, i] = True
    return mask


@pytest.mark.parametrize(
    ("other", "expected_mm"),
    [((3, 1, 1), 2 * 2.5), ((1, 2, 1), 1.0), ((1, 1, 5), 4 * 0.5), ((1, 4, 7), math.hypot(3 * 1.0, 6 * 0.5))],
)
def test_two_voxels_are_as_far_apart_as_the_spacing_says(other, expected_mm) -> None:
    distances = compute_surface_distances(single(1, 1, 1), single(*other), (2.5, 1.0, 0.5))
    for metric in (hd95_mm, asd_mm, assd_mm):
        assert metric(distances) == pytest.approx(expected_mm)


def test_two_voxels_two_millimetres_apart_are_within_two_millimetres_but_not_less() -> None:
    distances = compute_surface_distances(single(1, 1, 1), single(1, 3, 1), (3.0, 1.0, 3.0))
    assert surface_dice_at_mm(distances, 2.0) == 1.0
    assert surface_dice_at_mm(distances, 1.9) == 0.0


def test_tolerance_equal_to_a_distance_holds_despite_rounding() -> None:
    assert 3 * 0.1 > 0.3
    distances = compute_surface_distances(single(1, 1, 4), single(1, 1, 1), (1.0, 1.0, 0.1))
    assert surface_dice_at_mm(distances, 0.3) == 1.0


def test_unit_spacing_gives_voxels() -> None:
    assert hd95_mm(compute_surface_distances(single(0, 0, 0), single(3, 4, 0), (1, 1, 1))) == pytest.approx(5.0)


def test_cube_moved_by_one_voxel() -> None:
    prediction, reference = np.zeros((5, 5, 6), bool), np.zeros((5, 5, 6), bool)
    prediction[1:4, 1:4, 1:4] = True
    reference[1:4, 1:4, 2:5] = True
    distances = compute_surface_distances(prediction, reference, (1.0, 1.0, 2.0))
    # A solid cube of 27 voxels has 26 on its surface. The 9 at i=1 lie one voxel (2 mm) before the reference, the 8 at
    # i=2 are on its surface, and so is the rim of 8 at i=3, whose middle is the reference's center, 1 mm from its rim.
    assert sorted(distances.prediction_to_reference.tolist()) == [0.0] * 16 + [1.0] + [2.0] * 9
    assert asd_mm(distances) == pytest.approx((1.0 + 18.0) / 26)
    assert surface_dice_at_mm(distances, 1.0) == pytest.approx(17 / 26)
    assert surface_dice_at_mm(distances, 0.0) == pytest.approx(16 / 26)


def test_asd_is_directional_and_assd_is_not() -> None:
    prediction = single(1, 1, 1)
    reference = single(1, 1, 1) | single(1, 1, 5)
    forth = compute_surface_distances(prediction, reference, (1, 1, 1))
    back = compute_surface_distances(reference, prediction, (1, 1, 1))
    assert (asd_mm(forth), asd_mm(back)) == (0.0, 2.0)
    assert assd_mm(forth) == assd_mm(back) == pytest.approx(4 / 3)


def test_missed_structure_is_infinitely_far_and_never_zero() -> None:
    nothing = np.zeros((6, 7, 8), bool)
    for pair in ((nothing, single(1, 1, 1)), (single(1, 1, 1), nothing)):
        distances = compute_surface_distances(*pair, SPACING_MM_KJI)
        assert [metric(distances) for metric in (hd95_mm, asd_mm, assd_mm)] == [math.inf] * 3
        assert surface_dice_at_mm(distances, 1000.0) == 0.0


def test_two_empty_masks_have_no_distance() -> None:
    nothing = np.zeros((6, 7, 8), bool)
    distances = compute_surface_distances(nothing, nothing, SPACING_MM_KJI)
    assert all(math.isnan(metric(distances)) for metric in (hd95_mm, asd_mm, assd_mm))
    assert math.isnan(surface_dice_at_mm(distances, 1.0))


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.0, 0.0, 1.0), (1.0, -1.0, 1.0), (1.0, math.nan, 1.0)])
def test_spacing_must_be_positive_per_axis(spacing) -> None:
    with pytest.raises(VolumeError, match="3 positive numbers"):
        compute_surface_distances(single(1, 1, 1), single(1, 1, 1), spacing)


def test_masks_of_different_shape_are_refused() -> None:
    with pytest.raises(VolumeError, match="same shape"):
        compute_surface_distances(single(1, 1, 1), np.ones((2, 2, 2), bool), (1, 1, 1))


@pytest.mark.parametrize("tolerance", [-1.0, math.nan])
def test_tolerance_must_not_be_negative(tolerance) -> None:
    distances = compute_surface_distances(single(1, 1, 1), single(1, 1, 1), (1, 1, 1))
    with pytest.raises(ConfigError, match="0 or more"):
        surface_dice_at_mm(distances, tolerance)


def assert_agrees_with_medpy(prediction: np.ndarray, reference: np.ndarray, spacing) -> None:
    distances = compute_surface_distances(prediction, reference, spacing or (1.0,) * prediction.ndim)
    ours = (dice(prediction, reference), jaccard(prediction, reference), hd95_mm(distances), asd_mm(distances))
    theirs = (
        medpy.dc(prediction, reference),
        medpy.jc(prediction, reference),
        medpy.hd95(prediction, reference, voxelspacing=spacing),
        medpy.asd(prediction, reference, voxelspacing=spacing),
    )
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    assert assd_mm(distances) == pytest.approx(medpy.assd(prediction, reference, spacing), abs=1e-6)


@pytest.mark.parametrize("spacing", [None, SPACING_MM_KJI])
@pytest.mark.parametrize("organ", ORGANS)
def test_agrees_with_medpy_between_two_patients(organ, spacing) -> None:
    prediction, reference = crop(load("kbp_013"), load("kbp_004"))
    assert_agrees_with_medpy(prediction == organ, reference == organ, spacing)


def test_agrees_with_medpy_on_a_whole_image() -> None:
    assert_agrees_with_medpy(load("kbp_022") == 3, load("kbp_004") == 3, SPACING_MM_KJI)


@pytest.mark.parametrize("organ", ORGANS)
def test_agrees_with_medpy_on_eroded_and_moved_contours(organ) -> None:
    reference = crop(load("kbp_022"))[0] == organ
    prediction = np.roll(ndimage.binary_erosion(reference) | np.roll(reference, 2, axis=0), (1, -2), axis=(1, 2))
    assert_agrees_with_medpy(prediction, reference, SPACING_MM_KJI)


def test_agrees_with_medpy_where_the_organ_is_cut_by_the_image() -> None:
    """Voxels at the image's edge are surface voxels, also after the crop to the organ."""
    labels = load("kbp_004")
    where = np.argwhere(labels == 7)
    middle = tuple(where.mean(axis=0).astype(int))
    cut = labels[middle[0] :, middle[1] - 8 : middle[1] + 8, : middle[2]] == 7
    assert cut[0].any()
    assert cut[:, :, -1].any()
    assert_agrees_with_medpy(ndimage.binary_dilation(cut, iterations=2), cut, SPACING_MM_KJI)


masks = arrays(bool, (4, 5, 6))


@given(prediction=masks, reference=masks)
@settings(max_examples=60, deadline=None)
def test_agrees_with_medpy_on_any_masks(prediction, reference) -> None:
    if prediction.any() and reference.any():
        assert_agrees_with_medpy(prediction, reference, (3.0, 1.0, 0.7))


@given(prediction=arrays(bool, (5, 6)), reference=arrays(bool, (5, 6)))
@settings(max_examples=30, deadline=None)
def test_agrees_with_medpy_in_two_dimensions(prediction, reference) -> None:
    if prediction.any() and reference.any():
        assert_agrees_with_medpy(prediction, reference, (1.0, 0.7))


@pytest.mark.filterwarnings("ignore::FutureWarning:monai")
@pytest.mark.parametrize("tolerance", [2.0, 4.0])
def test_surface_dice_agrees_with_monai_on_voxel_surfaces(tolerance) -> None:
    import torch

    prediction, reference = load("kbp_013") == 3, load("kbp_004") == 3
    distances = compute_surface_distances(prediction, reference, SPACING_MM_KJI)
    theirs = compute_surface_dice(
        torch.from_numpy(prediction)[None, None].float(),
        torch.from_numpy(reference)[None, None].float(),
        class_thresholds=[tolerance],
        include_background=True,
        spacing=SPACING_MM_KJI,
    )
    assert surface_dice_at_mm(distances, tolerance) == pytest.approx(float(theirs), abs=1e-6)
