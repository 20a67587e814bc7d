"""Scores of label maps as arrays, as volumes and as files."""

import math
from pathlib import Path

import numpy as np
import pytest

from VQSegLib.errors import VolumeError
from VQSegLib.evaluation.evaluate import evaluate_arrays, evaluate_paths, evaluate_volumes
from VQSegLib.evaluation.results import EvaluationSettings
from VQSegLib.image_files import save_label_map
from VQSegLib.labels import Label, LabelTable
from VQSegLib.volume import Volume

TABLE = LabelTable(
    labels=tuple(
        Label(value=value, name=name, color=(0, 0, 0))
        for value, name in ((1, "Liver"), (3, "Spleen"), (4, "Cyst"), (9, "Ghost"))
    )
)
AFFINE = np.diag([-2.0, -2.0, 3.0, 1.0])


def build_maps() -> tuple[np.ndarray, np.ndarray]:
    """Liver moved by one voxel along j, spleen missed, cyst invented, ghost in neither, 7 and 8 not in the table."""
    prediction, reference = np.zeros((4, 6, 8), np.uint8), np.zeros((4, 6, 8), np.uint8)
    prediction[1, 1, 1], reference[1, 2, 1] = 1, 1
    prediction[1, 1, 2], reference[1, 1, 2] = 1, 1
    reference[2, 3, 3:5] = 3
    prediction[3, 5, 7] = 4
    prediction[0, 0, 0], reference[0, 0, 0] = 7, 8
    return prediction, reference


def test_each_label_is_scored_and_its_presence_told() -> None:
    case = evaluate_arrays(*build_maps(), (3.0, 2.0, 2.0), TABLE, case_id="a")
    liver, spleen, cyst, ghost = case.labels
    assert [label.presence for label in case.labels] == ["both", "missed", "spurious", "absent"]
    assert (spleen.name, spleen.prediction_voxels, spleen.reference_voxels) == ("Spleen", 0, 2)
    assert liver.scores == pytest.approx(
        {"dice": 0.5, "jaccard": 1 / 3, "hd95_mm": 2.0, "asd_mm": 1.0, "assd_mm": 1.0, "surface_dice_at_2_mm": 1.0}
    )
    for missing in (spleen, cyst):
        assert missing.scores["dice"] == 0.0
        assert missing.scores["hd95_mm"] == missing.scores["asd_mm"] == missing.scores["assd_mm"] == math.inf
        assert missing.scores["surface_dice_at_2_mm"] == 0.0
    assert all(math.isnan(score) for score in ghost.scores.values())


def test_label_is_counted_whole_wherever_it_lies_in_the_two_maps() -> None:
    prediction, reference = np.zeros((6, 6, 6), np.uint8), np.zeros((6, 6, 6), np.uint8)
    prediction[0, 3, 5], reference[4, 1, 2] = 1, 1
    for pair in ((prediction, reference), (reference, prediction)):
        label = evaluate_arrays(*pair, (1.0, 1.0, 1.0), TABLE).labels[0]
        assert (label.prediction_voxels, label.reference_voxels) == (1, 1)
        assert label.scores["hd95_mm"] == pytest.approx(math.sqrt(4**2 + 2**2 + 3**2))


def test_mean_over_labels_leaves_out_the_absent_one_only() -> None:
    means = evaluate_arrays(*build_maps(), (3.0, 2.0, 2.0), TABLE).means
    assert means["dice"].mean == pytest.approx(0.5 / 3)
    assert (means["dice"].counted, means["dice"].infinite) == (3, 0)
    assert (means["hd95_mm"].mean, means["hd95_mm"].finite_mean, means["hd95_mm"].infinite) == (math.inf, 2.0, 2)


def test_values_the_table_lacks_are_named() -> None:
    case = evaluate_arrays(*build_maps(), (3.0, 2.0, 2.0), TABLE)
    assert case.unknown_in_prediction == (7,)
    assert case.unknown_in_reference == (8,)


def test_without_a_table_every_value_is_scored() -> None:
    case = evaluate_arrays(*build_maps(), (3.0, 2.0, 2.0))
    assert [label.name for label in case.labels] == [f"label {value}" for value in (1, 3, 4, 7, 8)]
    assert case.unknown_in_prediction == case.unknown_in_reference == ()


def test_voxel_unit_ignores_the_spacing_and_says_so_in_the_names() -> None:
    settings = EvaluationSettings(unit="voxel", tolerance=1.5)
    case = evaluate_arrays(*build_maps(), (30.0, 20.0, 20.0), TABLE, settings)
    assert case.labels[0].scores["hd95_voxel"] == 1.0
    assert case.labels[0].scores["surface_dice_at_1.5_voxel"] == 1.0


def test_two_dimensional_label_maps_are_scored() -> None:
    prediction, reference = (part[1] for part in build_maps())
    assert evaluate_arrays(prediction, reference, (2.0, 2.0), TABLE).labels[0].scores["dice"] == 0.5


def test_empty_label_maps_have_no_scores() -> None:
    case = evaluate_arrays(np.zeros((3, 3, 3)), np.zeros((3, 3, 3)), (1, 1, 1))
    assert case.labels == ()
    assert math.isnan(case.means["dice"].mean)
    assert case.means["dice"].counted == 0


@pytest.mark.parametrize(
    ("prediction", "reference", "text"),
    [
        (np.zeros((2, 2, 2)), np.zeros((2, 2, 3)), "same shape"),
        (np.full((2, 2, 2), 0.3), np.zeros((2, 2, 2)), "The prediction of a is not a label map"),
        (np.zeros((2, 2, 2)), np.full((2, 2, 2), -5), "The reference of a is not a label map"),
    ],
)
def test_arrays_that_cannot_be_scored_are_refused(prediction, reference, text) -> None:
    with pytest.raises(VolumeError, match=text):
        evaluate_arrays(prediction, reference, (1, 1, 1), case_id="a")


def test_prediction_stored_with_reversed_rows_scores_the_same() -> None:
    prediction, reference = build_maps()
    affine = AFFINE @ np.array([[1, 0, 0, 0], [0, -1, 0, 5], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    flipped = Volume(prediction[:, ::-1], affine)
    case = evaluate_volumes(flipped, Volume(reference, AFFINE), TABLE)
    expected = evaluate_arrays(prediction, reference, (3.0, 2.0, 2.0), TABLE)
    assert case.labels[0].scores == expected.labels[0].scores


def test_grids_that_differ_are_refused_with_the_name_of_the_case() -> None:
    prediction, reference = build_maps()
    wider = Volume(prediction, AFFINE @ np.diag([1.1, 1.1, 1.0, 1.0]))
    with pytest.raises(VolumeError, match=r"Prediction and reference of kbp do not lie on the same voxel grid"):
        evaluate_volumes(wider, Volume(reference, AFFINE), case_id="kbp")


def save_case(folder: Path, name: str, array: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    save_label_map(folder / name, Volume(array, AFFINE))


def test_folders_are_scored_pair_by_pair(tmp_path) -> None:
    prediction, reference = build_maps()
    for name, predicted in (("a.nii.gz", reference), ("b.nii.gz", prediction)):
        save_case(tmp_path / "p", name, predicted)
        save_case(tmp_path / "r", name.replace("nii.gz", "nrrd"), reference)
    save_case(tmp_path / "r", "c.nrrd", reference)
    steps = []
    evaluation = evaluate_paths(
        tmp_path / "p", tmp_path / "r", TABLE, on_progress=lambda done, total: steps.append((done, total))
    )
    assert steps == [(1, 2), (2, 2)]
    assert [case.case_id for case in evaluation.cases] == ["a", "b"]
    assert evaluation.without_prediction == ("c",)
    assert evaluation.means["dice"].mean == pytest.approx((1.0 + 0.5 / 3) / 2)
    assert {label.name: label.means["dice"].mean for label in evaluation.labels} == pytest.approx(
        {"Liver": 0.75, "Spleen": 0.5, "Cyst": 0.0, "Ghost": math.nan}, nan_ok=True
    )


def test_two_files_are_scored_with_the_spacing_of_their_header(tmp_path) -> None:
    prediction, reference = build_maps()
    save_case(tmp_path, "mine.nrrd", prediction)
    save_case(tmp_path, "theirs.mha", reference)
    evaluation = evaluate_paths(tmp_path / "mine.nrrd", tmp_path / "theirs.mha", TABLE)
    assert evaluation.cases[0].labels[0].scores["hd95_mm"] == pytest.approx(2.0)
