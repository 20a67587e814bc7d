"""The same patient in any storage order gives the same physical mask."""

from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from VQSegLib.image_files import load_label_map, load_volume, save_label_map, save_volume
from VQSegLib.inference.predictor import Predictor
from VQSegLib.volume import Volume

DATA = Path(__file__).parents[1] / "data"
ALL_48 = [(order, flips) for order in permutations(range(3)) for flips in product((False, True), repeat=3)]


@pytest.fixture(scope="module")
def ct() -> Volume:
    """A real chest CT, thinned so that 48 predictions stay fast; sides and spacings all differ."""
    whole = load_volume(DATA / "ct-64.nrrd")
    affine = whole.affine_ijk_to_ras @ np.diag([2.0, 1.0, 2.0, 1.0])
    return Volume(np.ascontiguousarray(whole.array[::2, 8:, ::2]), affine)


@pytest.fixture(scope="module")
def model(make_model):
    """A network whose answer depends on direction: random 3-D kernels without any symmetry."""
    torch.manual_seed(3)
    network = nn.Sequential(nn.Conv3d(1, 6, 5, padding=2), nn.ReLU(), nn.Conv3d(6, 3, 3, padding=1))
    return make_model(
        network, values=(1, 2), spacing_mm_kji=(6.0, 5.0, 7.0), patch_size=(24, 24, 16), body_threshold_hu=-400
    )


def physical_voxels(volume: Volume) -> np.ndarray:
    """Return RAS places and values of all labeled voxels, sorted."""
    k, j, i = np.nonzero(volume.array)
    ras = np.stack([i, j, k, np.ones_like(i)], axis=1) @ volume.affine_ijk_to_ras.T
    rows = np.column_stack([np.round(ras[:, :3], 3) + 0.0, volume.array[k, j, i]])
    return rows[np.lexsort(rows.T)]


@pytest.fixture(scope="module")
def expected(ct, model) -> np.ndarray:
    voxels = physical_voxels(Predictor(model, device="cpu", precision="float32").predict(ct).label_map)
    assert set(voxels[:, 3]) == {1, 2}
    return voxels


@pytest.mark.parametrize(("order", "flips"), ALL_48)
def test_storage_order_does_not_change_the_physical_mask(ct, model, expected, order, flips, store_otherwise):
    volume = store_otherwise(ct, order, flips)
    result = Predictor(model, device="cpu", precision="float32").predict(volume).label_map
    assert result.shape_kji == volume.shape_kji
    np.testing.assert_array_equal(result.affine_ijk_to_ras, volume.affine_ijk_to_ras)
    np.testing.assert_array_equal(physical_voxels(result), expected)


def test_a_mirrored_patient_gives_another_mask(ct, model, expected):
    """Guards the test above: the network does depend on direction."""
    mirrored = ct.with_array(np.ascontiguousarray(ct.array[:, :, ::-1]))
    other = physical_voxels(Predictor(model, device="cpu", precision="float32").predict(mirrored).label_map)
    assert other.shape != expected.shape or not np.array_equal(other, expected)


def test_an_oblique_ct_gives_the_mask_of_the_straight_one(model):
    """``ct-64-transformed`` is ``ct-64`` with the same voxels on a grid turned by 20 degrees."""
    straight, oblique = load_volume(DATA / "ct-64.nrrd"), load_volume(DATA / "odd" / "ct-64-transformed.nrrd")
    predictor = Predictor(model, device="cpu", precision="float32")
    turned = predictor.predict(oblique).label_map
    np.testing.assert_array_equal(turned.affine_ijk_to_ras, oblique.affine_ijk_to_ras)
    np.testing.assert_array_equal(turned.array, predictor.predict(straight).label_map.array)
    # In physical space: every labeled voxel of the straight CT, turned, is one of the oblique mask.
    turn = oblique.affine_ijk_to_ras @ np.linalg.inv(straight.affine_ijk_to_ras)
    moved = Volume(turned.array, turn @ straight.affine_ijk_to_ras)
    np.testing.assert_allclose(physical_voxels(moved), physical_voxels(turned), atol=2e-3)


class BrightVoxels(nn.Module):
    """Class 1 where the normalized value is positive."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([-x, x], dim=1)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_an_asymmetric_phantom_keeps_its_place_from_file_to_file(tmp_path, make_model, suffix):
    """One bright voxel near right, anterior, superior, anisotropic and oblique: load, predict, save, load."""
    angle = np.deg2rad(25)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-0.7, -1.1, 2.5])  # i towards Left, j towards Posterior, k towards Superior
    affine[:3, 3] = [31.0, 44.0, -120.0]
    array = np.full((9, 12, 15), -1000, dtype=np.int16)
    array[7, 2, 1] = 1000
    save_volume(tmp_path / f"phäntom ct{suffix}", Volume(array, affine))

    loaded = load_volume(tmp_path / f"phäntom ct{suffix}")
    model = make_model(BrightVoxels(), values=(7,), window_low=-1000.0, window_high=1000.0)
    save_label_map(tmp_path / f"mask{suffix}", Predictor(model, device="cpu").predict(loaded).label_map)

    mask = load_label_map(tmp_path / f"mask{suffix}")
    np.testing.assert_allclose(mask.affine_ijk_to_ras, affine, atol=1e-4)
    assert np.argwhere(mask.array).tolist() == [[7, 2, 1]]
    assert mask.array[7, 2, 1] == 7
    place_ras = (mask.affine_ijk_to_ras @ [1, 2, 7, 1])[:3]
    expected = turn @ [-0.7, -2.2, 17.5] + [31.0, 44.0, -120.0]
    np.testing.assert_allclose(place_ras, expected, atol=1e-3)
