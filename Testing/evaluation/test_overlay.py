"""The overlay picture: right way round, right place, whole or not there."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from VQSegLib.errors import VolumeError
from VQSegLib.evaluation.overlay import save_overlay
from VQSegLib.labels import Label, LabelTable
from VQSegLib.volume import Volume

RED = LabelTable(labels=(Label(value=3, name="Liver", color=(255, 0, 0)),))
# Canonical for a CT: i to the Left, j to Posterior, k to Superior.
LPS = np.diag([-1.0, -1.0, 2.0, 1.0])


def build_case() -> tuple[Volume, Volume]:
    """A bright block right, anterior and superior of a label in the middle."""
    image, labels = np.full((20, 40, 40), -1000, np.int16), np.zeros((20, 40, 40), np.uint8)
    labels[9:12, 18:23, 18:23] = 3
    image[15:18, 5:10, 5:10] = 1000
    image[8:13, 5:10, 5:10] = 1000  # seen in the axial cut
    image[15:18, 18:22, 5:10] = 1000  # in the coronal cut
    image[15:18, 5:10, 18:22] = 1000  # in the sagittal cut
    return Volume(image, LPS), Volume(labels, LPS)


def draw(path: Path, *arguments, **keywords) -> np.ndarray:
    save_overlay(path, *arguments, **keywords)
    return imread(path)[..., :3]


def split_panels(picture: np.ndarray) -> list[np.ndarray]:
    """Cut the picture into its three black panels, whatever the layout."""
    is_panel = (picture < 0.02).all(axis=2)
    columns = is_panel.mean(axis=0) > 0.15
    edges = np.flatnonzero(np.diff(np.concatenate(([0], columns.astype(int), [0]))))
    panels = []
    for start, stop in edges.reshape(-1, 2):
        if stop - start > 100:
            rows = np.flatnonzero(is_panel[:, start:stop].mean(axis=1) > 0.3)
            panels.append(picture[rows[0] : rows[-1] + 1, start:stop])
    return panels


def test_right_is_left_and_anterior_and_superior_are_up(tmp_path) -> None:
    image, labels = build_case()
    panels = split_panels(draw(tmp_path / "o.png", image, labels, None, RED))
    assert len(panels) == 3
    for panel in panels:  # axial: R left, A up; coronal: R left, S up; sagittal: A left, S up
        bright = np.argwhere((panel > 0.99).all(axis=2))
        height, width = panel.shape[:2]
        center = np.median(bright, axis=0)
        assert center[0] < 0.45 * height
        assert center[1] < 0.45 * width


def test_storage_of_the_axes_does_not_change_the_picture(tmp_path) -> None:
    image, labels = build_case()
    expected = draw(tmp_path / "o.png", image, labels, labels, RED)
    flip = np.array([[1, 0, 0, 0], [0, -1, 0, 39], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    swap = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    turned = [
        (Volume(part.array[:, ::-1], LPS @ flip), Volume(part.array.transpose(2, 1, 0), LPS @ swap))
        for part in (image, labels)
    ]
    for new_image, new_labels in itertools.product(turned[0], turned[1]):
        np.testing.assert_array_equal(draw(tmp_path / "t.png", new_image, new_labels, labels, RED), expected)


def count_red(picture: np.ndarray) -> int:
    return int(((picture[..., 0] > 0.8) & (picture[..., 1:] < 0.2).all(axis=2)).sum())


def test_reference_is_drawn_beside_the_prediction(tmp_path) -> None:
    image, labels = build_case()
    nothing = labels.with_array(np.zeros_like(labels.array))
    solid = count_red(draw(tmp_path / "p.png", image, labels, nothing, RED))
    dashed = count_red(draw(tmp_path / "r.png", image, nothing, labels, RED))
    neither = count_red(draw(tmp_path / "n.png", image, nothing, nothing, RED))
    assert neither == 0
    assert 0 < dashed < solid


def test_millimetres_decide_the_shape_not_voxels(tmp_path) -> None:
    image, labels = build_case()
    axial, coronal, _ = split_panels(draw(tmp_path / "o.png", image, labels, None, RED))
    assert axial.shape[0] / axial.shape[1] == pytest.approx(1.0, abs=0.03)
    assert coronal.shape[0] / coronal.shape[1] == pytest.approx(20 * 2.0 / 40, abs=0.03)


def test_whole_number_labels_stored_as_floats_are_drawn(tmp_path) -> None:
    image, labels = build_case()
    floats = labels.with_array(labels.array.astype(np.float32))
    assert count_red(draw(tmp_path / "o.png", image, floats, None, RED)) > 0


def test_label_map_of_another_grid_is_refused_and_nothing_is_written(tmp_path) -> None:
    image, labels = build_case()
    moved = Volume(labels.array, LPS @ np.diag([2.0, 1.0, 1.0, 1.0]))
    with pytest.raises(VolumeError, match="Prediction and image do not lie on the same voxel grid"):
        save_overlay(tmp_path / "o.png", image, moved, None, RED)
    with pytest.raises(VolumeError, match="Reference and image do not lie on the same voxel grid"):
        save_overlay(tmp_path / "o.png", image, labels, moved, RED)
    assert not list(tmp_path.iterdir())


def test_missing_folder_is_one_sentence(tmp_path) -> None:
    image, labels = build_case()
    with pytest.raises(VolumeError, match="could not be written; check that the folder exists"):
        save_overlay(tmp_path / "none" / "o.png", image, labels, None, RED)


def test_file_name_may_have_spaces_and_umlauts(tmp_path) -> None:
    image, labels = build_case()
    save_overlay(tmp_path / "Übersicht 1.png", image, labels, None, RED)
    assert [path.name for path in tmp_path.iterdir()] == ["Übersicht 1.png"]
