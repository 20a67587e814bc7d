"""DICOM series: loaded whole and in place, or refused with the reason."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the library's own convention

from VQSegLib.errors import VolumeError
from VQSegLib.image_files import load_volume

DATA = Path(__file__).parent / "data"
ODD = DATA / "odd"


def write_series(
    folder: Path, positions, *, uid="1.2.826.0.1.3680043.2.1125.1", orientation="1\\0\\0\\0\\1\\0", **tags
):
    """Write one 8 x 8 slice per position (x, y, z in LPS mm), HU = 10 * number - 1024."""
    folder.mkdir(exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for number, position in enumerate(positions):
        image = sitk.GetImageFromArray(np.full((1, 8, 8), 10 * number - 1024, dtype=np.int16))
        image.SetSpacing((0.7, 0.7, 1.0))
        place = "\\".join(f"{value:.4f}" for value in position)
        fields = {
            "0008|0016": "1.2.840.10008.5.1.4.1.1.2", "0008|0018": f"{uid}.{number}", "0008|0060": "CT",
            "0020|000d": "1.2.826.0.1.3680043.2.1125.9", "0020|000e": uid, "0020|0032": place,
            "0020|0037": orientation, "0028|1052": "-1024", "0028|1053": "1",
        }  # fmt: skip
        for key, value in (fields | tags).items():
            image.SetMetaData(key, value)
        writer.SetFileName(str(folder / f"{uid[-3:]} slice {number:03d}.dcm"))
        writer.Execute(image)
    return folder


def straight(count, step=2.0):
    return [(0.0, 0.0, index * step) for index in range(count)]


def refusal(path: Path) -> str:
    with pytest.raises(VolumeError) as caught:
        load_volume(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_series_equals_the_volume_it_was_exported_from():
    """``ct-64Dicom`` holds the first 16 slices of ``ct-64.nrrd`` in file order."""
    series, whole = load_volume(ODD / "ct-64Dicom"), load_volume(DATA / "ct-64.nrrd")
    np.testing.assert_array_equal(series.array, whole.array[:16])
    np.testing.assert_allclose(series.affine_ijk_to_ras, whole.affine_ijk_to_ras, atol=1e-3)


def test_slope_intercept_and_slice_order_are_respected(tmp_path, capfd):
    folder = write_series(tmp_path / "Serie ä", straight(5)[::-1])
    loaded = load_volume(folder)
    assert loaded.array[:, 0, 0].tolist() == [-984, -994, -1004, -1014, -1024]
    assert loaded.array.dtype == np.int16
    np.testing.assert_allclose(loaded.affine_ijk_to_ras, np.diag([-0.7, -0.7, 2.0, 1.0]), atol=1e-6)
    assert capfd.readouterr() == ("", "")


def test_any_file_of_a_series_stands_for_the_series(tmp_path):
    write_series(tmp_path, straight(4), uid="1.2.826.0.1.3680043.2.1125.111")
    write_series(tmp_path, straight(6), uid="1.2.826.0.1.3680043.2.1125.222")
    assert load_volume(tmp_path / "222 slice 001.dcm").shape_kji == (6, 8, 8)
    assert load_volume(ODD / "ct-3slice" / "02.dcm").shape_kji == (3, 512, 512)
    sentence = refusal(tmp_path)
    assert "holds 2 series" in sentence
    assert "4 CT files" in sentence
    assert "giving any one file of it" in sentence


def test_a_segmentation_beside_its_ct_is_passed_over(tmp_path):
    for path in (ODD / "ct-3slice").iterdir():
        shutil.copy(path, tmp_path)
    shutil.copy(ODD / "liver.dcm", tmp_path)
    assert load_volume(tmp_path).shape_kji == (3, 512, 512)


def test_a_folder_with_only_a_segmentation_is_refused(tmp_path):
    shutil.copy(ODD / "liver.dcm", tmp_path)
    assert "DICOM segmentation object, not an image" in refusal(tmp_path)


def test_dicom_without_images_is_refused(tmp_path):
    write_series(tmp_path, straight(3), **{"0008|0060": "RTSTRUCT"})
    assert "without images (RTSTRUCT)" in refusal(tmp_path)


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_slices_are_refused(tmp_path, count):
    assert "at least 3" in refusal(write_series(tmp_path, straight(count)))


@pytest.mark.parametrize("missing", [1, 4, 8])
def test_a_missing_slice_is_noticed(tmp_path, missing):
    positions = straight(10)
    del positions[missing]
    assert "uneven distances (2.00 to 4.00 mm" in refusal(write_series(tmp_path, positions))


def test_rounded_positions_are_even_enough(tmp_path):
    positions = [(0.0, 0.0, round(index * 0.6, 1)) for index in range(20)]
    jittered = [(x, y, z + 0.03 * (index % 2)) for index, (x, y, z) in enumerate(positions)]
    assert load_volume(write_series(tmp_path, jittered)).shape_kji[0] == 20


def test_a_tilted_gantry_is_refused(tmp_path):
    """Slices stay axial while the table moves, so each lies a little further in y."""
    positions = [(0.0, index * 0.5, index * 2.0) for index in range(6)]
    assert "tilted gantry" in refusal(write_series(tmp_path, positions))


def test_an_oblique_stack_is_not_taken_for_a_tilt(tmp_path):
    angle = np.deg2rad(20)
    row_direction = f"1\\0\\0\\0\\{np.cos(angle):.8f}\\{np.sin(angle):.8f}"
    positions = [(0.0, -np.sin(angle) * 2 * index, np.cos(angle) * 2 * index) for index in range(6)]
    loaded = load_volume(write_series(tmp_path, positions, orientation=row_direction))
    assert loaded.spacing_mm_kji == pytest.approx((2.0, 0.7, 0.7), abs=1e-3)


def test_repeats_and_localizers_are_refused(tmp_path):
    twice = [position for position in straight(4) for _ in range(2)]
    assert "several slices at one position" in refusal(write_series(tmp_path / "twice", twice))
    mixed = write_series(tmp_path / "mixed", straight(4))
    write_series(tmp_path / "scout", [(0, 0, 50.0)], orientation="0\\1\\0\\0\\0\\-1", **{"0008|0018": "1.2.3.4"})
    shutil.copy(next((tmp_path / "scout").iterdir()), mixed / "scout.dcm")
    shutil.move(mixed / "5.1 slice 000.dcm", mixed / "localizer.dcm") if (
        mixed / "5.1 slice 000.dcm"
    ).exists() else None
    assert "different size or direction" in refusal(mixed)


def test_a_damaged_slice_is_named(tmp_path):
    folder = write_series(tmp_path, straight(5))
    last = sorted(folder.iterdir())[-1]
    last.write_bytes(last.read_bytes()[:200])
    sentence = refusal(folder)
    assert "cannot be read" in sentence
    assert last.name in sentence


def test_slices_without_a_place_are_refused(tmp_path):
    folder = write_series(tmp_path, straight(4))
    for path in folder.iterdir():  # another element number hides the position
        path.write_bytes(path.read_bytes().replace(b"\x20\x00\x32\x00", b"\x20\x00\x33\x00"))
    assert "no position or direction" in refusal(folder)


def test_a_text_file_named_dcm_is_refused(tmp_path):
    (tmp_path / "a.dcm").write_text("hello")
    assert "is not an image of the kind its name says" in refusal(tmp_path / "a.dcm")


def test_a_multiframe_file_is_one_volume(tmp_path):
    image = sitk.GetImageFromArray(np.arange(5 * 8 * 8, dtype=np.uint16).reshape(5, 8, 8))
    sitk.WriteImage(image, str(tmp_path / "multi.dcm"))
    assert load_volume(tmp_path / "multi.dcm").shape_kji == (5, 8, 8)
    assert load_volume(tmp_path).shape_kji == (5, 8, 8)
