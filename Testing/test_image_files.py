"""Every kind of file either loads right or is refused with one sentence that names the reason."""

import gzip
import logging
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the library's own convention

from VQSegLib.errors import VolumeError
from VQSegLib.image_files import load_label_map, load_volume, save_label_map, save_volume
from VQSegLib.volume import Volume

DATA = Path(__file__).parent / "data"
ODD = DATA / "odd"
LPS = np.diag([-0.8, -0.9, 2.5, 1.0])


@pytest.fixture
def volume() -> Volume:
    array = np.random.default_rng(0).integers(-1000, 2000, (6, 7, 8)).astype(np.int16)
    affine = LPS.copy()
    affine[:3, 3] = [12.5, -30.25, 7.0]
    return Volume(array, affine)


def refusal(path: Path) -> str:
    with pytest.raises(VolumeError) as caught:
        load_volume(path)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize(
    ("name", "shape_kji", "kind"),
    [
        ("CT_pitch.nii.gz", (58, 248, 175), np.uint8),
        ("ct-3slice", (3, 512, 512), np.int16),
        ("ct-64-transformed.nrrd", (79, 64, 64), np.int16),
        ("ct-64Dicom", (16, 64, 64), np.int16),
        ("dicom_jpeg2000", (4, 512, 512), np.int16),
        ("example_seg_dicom.nii.gz", (20, 512, 512), np.uint8),
        ("liver_seg.nrrd", (3, 512, 512), np.int16),
        ("lm-64-transformed.nrrd", (79, 64, 64), np.int16),
    ],
)
def test_odd_files_that_load(name, shape_kji, kind, capfd):
    loaded = load_volume(ODD / name)
    assert loaded.shape_kji == shape_kji
    assert loaded.array.dtype == kind
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("crop_ct_2slices.nrrd", "at least 3 slices"),
        ("example4d.nii.gz", "has 4 dimensions (128x96x24x2)"),
        ("liver.dcm", "DICOM segmentation object, not an image"),
    ],
)
def test_odd_files_that_are_refused(name, reason, capfd):
    assert reason in refusal(ODD / name)
    assert capfd.readouterr() == ("", "")


def test_every_odd_file_is_covered_by_the_two_tests_above():
    named = {mark.args[1][index][0] for test in (test_odd_files_that_load, test_odd_files_that_are_refused)
             for mark in test.pytestmark for index in range(len(mark.args[1]))}  # fmt: skip
    assert {path.name for path in ODD.iterdir()} == named


def test_hu_of_the_tilted_and_padded_scans():
    assert load_volume(ODD / "ct-3slice").array.min() == -3024
    tilted = load_volume(ODD / "CT_pitch.nii.gz").affine_ijk_to_ras
    assert abs(tilted[1, 2]) > 0.5  # the tilt stays in the matrix


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("kind", [np.int16, np.uint8, np.float32])
def test_voxels_and_geometry_survive_writing_and_reading(tmp_path, volume, suffix, kind):
    path = tmp_path / f"Fürst Ünal 影像 {suffix}"
    written = volume.with_array((volume.array / 7).astype(kind) if kind != np.float32 else volume.array / np.float32(7))
    save_volume(path, written)
    loaded = load_volume(path)
    assert loaded.array.dtype == kind
    np.testing.assert_array_equal(loaded.array, written.array)
    assert loaded.has_geometry_of(volume)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_int32_and_scaled_floats_of_whole_numbers_become_int16(tmp_path, volume):
    for kind in (np.int32, np.float64):
        image = sitk.GetImageFromArray(volume.array.astype(kind))
        sitk.WriteImage(image, str(tmp_path / "a.nii.gz"))
        assert load_volume(tmp_path / "a.nii.gz").array.dtype == np.int16
    image = sitk.GetImageFromArray(volume.array.astype(np.int32) * 100)
    sitk.WriteImage(image, str(tmp_path / "a.nii.gz"))
    assert load_volume(tmp_path / "a.nii.gz").array.max() > 100_000


def test_slope_and_intercept_of_nifti_are_applied(tmp_path, volume):
    save_volume(tmp_path / "a.nii", volume)
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    raw[112:120] = np.array([2.0, -1024.0], dtype="<f4").tobytes()  # scl_slope, scl_inter
    (tmp_path / "a.nii").write_bytes(raw)
    loaded = load_volume(tmp_path / "a.nii").array
    np.testing.assert_array_equal(loaded, volume.array.astype(np.int32) * 2 - 1024)
    assert loaded.dtype == np.int16


def test_a_single_time_point_counts_as_3d(tmp_path, volume):
    image = sitk.JoinSeries([sitk.GetImageFromArray(volume.array)])
    sitk.WriteImage(image, str(tmp_path / "one.nii.gz"))
    np.testing.assert_array_equal(load_volume(tmp_path / "one.nii.gz").array, volume.array)


def test_what_is_missing_or_of_another_kind_is_refused(tmp_path, capfd):
    assert "does not exist" in refusal(tmp_path / "no such.nii.gz")
    (tmp_path / "text.nii.gz").write_text("hello, I am a letter")
    (tmp_path / "text.nrrd").write_text("hello")
    (tmp_path / "text.mha").write_text("hello")
    (tmp_path / "empty.nii").write_bytes(b"")
    (tmp_path / "zipped text.nii.gz").write_bytes(gzip.compress(b"hello" * 200))
    for name in ("text.nii.gz", "text.nrrd", "text.mha", "empty.nii", "zipped text.nii.gz"):
        assert "is not an image of the kind its name says" in refusal(tmp_path / name)
    (tmp_path / "a.jpg").write_bytes(b"x" * 200)
    assert "its ending is '.jpg'" in refusal(tmp_path / "a.jpg")
    assert "holds no DICOM file" in refusal(tmp_path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("share", [0.5, 0.98])
def test_truncated_files_are_refused(tmp_path, volume, suffix, share, capfd):
    path = tmp_path / f"cut{suffix}"
    save_volume(path, volume)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "truncated" in refusal(path)
    assert capfd.readouterr() == ("", "")


def test_a_gzip_file_of_several_members_is_complete(tmp_path, volume):
    """The trailer of such a file holds the size of its last member only."""
    save_volume(tmp_path / "a.nii", volume)
    raw = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(raw[:400]) + gzip.compress(raw[400:]))
    np.testing.assert_array_equal(load_volume(tmp_path / "b.nii.gz").array, volume.array)


def test_an_uncompressed_file_named_gz_loads_or_is_refused_when_cut(tmp_path, volume):
    save_volume(tmp_path / "a.nii", volume)
    raw = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(raw)
    np.testing.assert_array_equal(load_volume(tmp_path / "b.nii.gz").array, volume.array)
    (tmp_path / "b.nii.gz").write_bytes(raw[:600])
    assert "truncated" in refusal(tmp_path / "b.nii.gz")


def test_pictures_colors_and_complex_numbers_are_refused(tmp_path):
    flat = np.zeros((40, 50), dtype=np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(flat), str(tmp_path / "flat.nii.gz"))
    assert "50x40 voxels" in refusal(tmp_path / "flat.nii.gz")
    color = sitk.GetImageFromArray(np.zeros((4, 5, 6, 3), dtype=np.uint8), isVector=True)
    sitk.WriteImage(color, str(tmp_path / "color.nrrd"))
    assert "3 values a voxel" in refusal(tmp_path / "color.nrrd")
    waves = sitk.GetImageFromArray(np.zeros((4, 5, 6), dtype=np.complex64))
    sitk.WriteImage(waves, str(tmp_path / "waves.nii.gz"))
    assert "complex numbers" in refusal(tmp_path / "waves.nii.gz")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".mha"])
def test_values_that_are_not_finite_are_refused(tmp_path, volume, bad, kind, suffix):
    """ITK's NIfTI reader would turn them into 0, which is water."""
    array = volume.array.astype(kind)
    array[2, 3, 4] = array[5, 6, 7] = bad
    save_volume(tmp_path / f"a{suffix}", volume.with_array(array))
    assert "has 2 voxels that are not finite" in refusal(tmp_path / f"a{suffix}")


def test_floats_in_other_byte_order_and_in_several_parts_are_checked(tmp_path, volume, monkeypatch):
    monkeypatch.setattr("VQSegLib.nifti_checks._CHUNK_BYTES", 101)
    array = volume.array / np.float32(3)
    save_volume(tmp_path / "a.nii", volume.with_array(array))
    np.testing.assert_array_equal(load_volume(tmp_path / "a.nii").array, array)
    array[3, 3, 3] = np.nan
    save_volume(tmp_path / "a.nii", volume.with_array(array))
    assert "has 1 voxels" in refusal(tmp_path / "a.nii")


def test_axes_that_are_not_perpendicular_are_refused(tmp_path, volume):
    header = (
        "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 8 7 6\n"
        "space directions: (1,0,0) (0,1,0) (0,0.4,2)\nkinds: domain domain domain\nendian: little\nencoding: raw\n"
        "space origin: (0,0,0)\n\n"
    )
    (tmp_path / "sheared.nrrd").write_bytes(header.encode() + volume.array.tobytes())
    assert "not perpendicular" in refusal(tmp_path / "sheared.nrrd")
    save_volume(tmp_path / "sheared.nii", volume)
    raw = bytearray((tmp_path / "sheared.nii").read_bytes())
    raw[252:256] = np.array([0, 1], dtype="<i2").tobytes()  # qform off, sform on
    raw[280:328] = np.array([[1, 0, 0, 0], [0, 1, 0.4, 0], [0, 0, 2, 0]], dtype="<f4").tobytes()
    (tmp_path / "sheared.nii").write_bytes(raw)
    assert "not perpendicular" in refusal(tmp_path / "sheared.nii")
    sheared = LPS.copy()
    sheared[1, 2] = 0.5
    with pytest.raises(VolumeError, match="not perpendicular"):
        save_volume(tmp_path / "out.nii.gz", Volume(volume.array, sheared))


def test_label_maps_are_whole_numbers(tmp_path, volume):
    labels = volume.with_array((volume.array % 3).astype(np.int16))
    save_volume(tmp_path / "a.nii.gz", labels)
    assert load_label_map(tmp_path / "a.nii.gz").array.dtype == np.uint8
    assert load_label_map(ODD / "lm-64-transformed.nrrd").array.max() == 782
    with pytest.raises(VolumeError, match="not a label map"):
        load_label_map(ODD / "ct-64-transformed.nrrd")
    save_volume(tmp_path / "b.nii.gz", labels.with_array(labels.array + np.float32(0.5)))
    with pytest.raises(VolumeError, match="not a label map"):
        load_label_map(tmp_path / "b.nii.gz")
    for array in (volume.array, labels.array * np.float32(1)):
        with pytest.raises(VolumeError, match=r"whole numbers 0\.\.255"):
            save_label_map(tmp_path / "c.nii.gz", volume.with_array(array))
    assert not (tmp_path / "c.nii.gz").exists()


def test_booleans_and_half_floats_are_written_as_what_the_formats_know(tmp_path, volume):
    save_volume(tmp_path / "a.nii.gz", volume.with_array(volume.array > 0))
    assert load_volume(tmp_path / "a.nii.gz").array.sum() == np.count_nonzero(volume.array > 0)
    save_volume(tmp_path / "b.nii.gz", volume.with_array(np.full((6, 7, 8), 0.5, dtype=np.float16)))
    assert load_volume(tmp_path / "b.nii.gz").array.max() == 0.5


def test_a_failed_write_leaves_the_older_file_and_nothing_else(tmp_path, volume, monkeypatch):
    path = tmp_path / "a.nii.gz"
    save_volume(path, volume)
    before = path.read_bytes()

    def full_disk(_image, name, **_options):
        Path(name).write_bytes(b"half")
        raise RuntimeError

    monkeypatch.setattr(sitk, "WriteImage", full_disk)
    with pytest.raises(VolumeError, match="could not be written; check free space"):
        save_volume(path, volume)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.nii.gz"]


def test_places_that_cannot_be_written_are_refused(tmp_path, volume):
    with pytest.raises(VolumeError, match="does not exist; create it"):
        save_volume(tmp_path / "no folder" / "a.nii.gz", volume)
    with pytest.raises(VolumeError, match=r"cannot be written: its ending is '\.dcm'"):
        save_volume(tmp_path / "a.dcm", volume)


def test_headers_carry_no_tags_and_no_paths(tmp_path):
    loaded = load_volume(ODD / "ct-3slice")
    for suffix in (".nrrd", ".mha", ".nii"):
        save_volume(tmp_path / f"out{suffix}", loaded)
        raw = (tmp_path / f"out{suffix}").read_bytes()
        assert b"JANCT000" not in raw
        assert str(tmp_path).encode() not in raw
        assert str(ODD).encode() not in raw


def test_what_the_image_library_says_is_logged_without_the_file_name(tmp_path, volume, caplog, capfd):
    save_volume(tmp_path / "Erika Mustermann.mha", volume)
    content = (tmp_path / "Erika Mustermann.mha").read_bytes()
    header_end = content.index(b"LOCAL") + 6
    (tmp_path / "Erika Mustermann.mha").write_bytes(content[: header_end + 20].replace(b"True", b"False"))
    with caplog.at_level(logging.DEBUG):
        refusal(tmp_path / "Erika Mustermann.mha")
    assert "M_ReadElementsData" in caplog.text
    assert "Mustermann" not in caplog.text
    assert capfd.readouterr() == ("", "")
