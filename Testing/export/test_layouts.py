"""Exports hold the same voxels in the same place, with the values the format wants, and say what they leave out."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from VQSegLib.errors import Cancelled, ProjectError
from VQSegLib.export.formats import EXPORTERS, export_cases
from VQSegLib.export.results import ExportReport
from VQSegLib.image_files import load_label_map, load_volume
from VQSegLib.leftovers import temporary_name
from VQSegLib.project.document import add_label
from VQSegLib.project.folder import Project
from VQSegLib.project.importing import import_cases


def export(filled: SimpleNamespace, output: Path, form: str, case_ids: list[str] | None = None) -> ExportReport:
    return export_cases(
        filled.project, output, form, case_ids=case_ids, series=None, before_case=lambda _number, _case: None
    )


def test_nnunet_layout(filled: SimpleNamespace, tmp_path: Path) -> None:
    report = export(filled, tmp_path / "Dataset123_Köpfe", "nnunet")
    folder = tmp_path / "Dataset123_Köpfe"
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.nii.gz")) == sorted(
        [
            f"imagesTr/{filled.train}_0000.nii.gz",
            f"imagesTr/{filled.partial}_0000.nii.gz",
            f"imagesTs/{filled.test}_0000.nii.gz",
            f"labelsTr/{filled.train}.nii.gz",
            f"labelsTr/{filled.partial}.nii.gz",
            f"labelsTs/{filled.test}.nii.gz",
        ]
    )
    document = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    assert document["labels"] == {"background": 0, "Left parotid": 1, "Cord": 2, "ignore": 3}
    assert document["channel_names"] == {"0": "CT"}
    assert document["numTraining"] == 2
    assert document["label_values_in_project"] == {"Left parotid": 5, "Cord": 2}
    classes = load_label_map(folder / "labelsTr" / f"{filled.train}.nii.gz")
    np.testing.assert_array_equal(classes.array, np.select([filled.label == 5, filled.label == 2], [1, 2]))
    image = load_volume(folder / "imagesTr" / f"{filled.train}_0000.nii.gz")
    assert image.has_geometry_of(classes)
    np.testing.assert_array_equal(image.array, filled.project.load_image(filled.train).array)
    partial = load_label_map(folder / "labelsTr" / f"{filled.partial}.nii.gz").array
    np.testing.assert_array_equal(partial[[0, 2, 4]], 3)
    np.testing.assert_array_equal(partial[[1, 3]], classes.array[[1, 3]])
    assert set(report.train) == {filled.train, filled.partial}
    assert report.test == (filled.test,)
    assert report.left_out == {filled.excluded: "It is excluded."}


def test_nnunet_without_partial_cases_has_no_ignore_label(filled: SimpleNamespace, tmp_path: Path) -> None:
    export(filled, tmp_path / "Dataset001_A", "nnunet", [filled.train])
    document = json.loads((tmp_path / "Dataset001_A" / "dataset.json").read_text(encoding="utf-8"))
    assert document["labels"] == {"background": 0, "Left parotid": 1, "Cord": 2}
    report = export(filled, tmp_path / "Dataset002_A", "nnunet", [filled.test])
    assert "nothing to train on" in report.notes[0]


def test_decathlon_layout(filled: SimpleNamespace, tmp_path: Path) -> None:
    report = export(filled, tmp_path / "Task01_Heads", "decathlon")
    folder = tmp_path / "Task01_Heads"
    document = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    assert document["labels"] == {"0": "background", "1": "Left parotid", "2": "Cord"}
    assert (document["numTraining"], document["numTest"], document["modality"]) == (1, 1, {"0": "CT"})
    for entry in document["training"]:
        image, classes = load_volume(folder / entry["image"]), load_label_map(folder / entry["label"])
        assert image.has_geometry_of(classes)
        assert np.unique(classes.array).tolist() == [0, 1, 2]
    assert document["test"] == [f"./imagesTs/{filled.test}.nii.gz"]
    assert (folder / document["test"][0]).is_file()
    assert "slices were reviewed" in report.left_out[filled.partial]


def test_plain_export_can_be_imported_again(filled: SimpleNamespace, tmp_path: Path) -> None:
    report = export(filled, tmp_path / "plain", "nifti")
    assert f"Of {filled.partial} only the slices 1, 3 were reviewed." in report.notes
    again = Project.create(tmp_path / "again", filled.project.labels)
    images, labels = f"{tmp_path}/plain/*_image.nii.gz", f"{tmp_path}/plain/*_label.nii.gz"
    result = import_cases(again, images, labels)
    assert len(result.imported) == 3
    np.testing.assert_array_equal(again.load_label(result.imported[filled.train]).array, filled.label)


def test_volumes_are_right(filled: SimpleNamespace, tmp_path: Path) -> None:
    export(filled, tmp_path / "volumes ä.csv", "volumes")
    with (tmp_path / "volumes ä.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["case_id"], row["label_name"]) for row in rows] == [
        (case, label) for case in sorted([filled.train]) + sorted([filled.test]) for label in ("Left parotid", "Cord")
    ]
    parotid = rows[0]
    assert (parotid["label_value"], parotid["voxels"], parotid["annotator_id"]) == ("5", "3", "Ärztin, 1")
    assert float(parotid["volume_ml"]) == pytest.approx(3 * 1.2 * 1.0 * 3.0 / 1000, abs=5e-4)


def test_case_accepted_before_a_label_existed_is_left_out(filled: SimpleNamespace, tmp_path: Path) -> None:
    filled.project.change_document(lambda document: add_label(document, "Tumor"))
    with pytest.raises(ProjectError, match="before the table had Tumor"):
        export(filled, tmp_path / "Dataset001_A", "nnunet", [filled.train])


@pytest.mark.parametrize("form", sorted(EXPORTERS))
def test_nothing_is_replaced_and_nothing_half_done_stays(filled: SimpleNamespace, tmp_path: Path, form: str) -> None:
    output = tmp_path / "Dataset001_A"
    output.mkdir()
    with pytest.raises(ProjectError, match="exists already"):
        export(filled, output, form)
    output.rmdir()
    before = sorted(tmp_path.iterdir())

    def stop(number: int, _case: str) -> None:
        if number == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        export_cases(filled.project, output, form, case_ids=None, series=None, before_case=stop)
    assert sorted(tmp_path.iterdir()) == before


def test_images_that_a_killed_export_left_are_removed_by_the_next(filled: SimpleNamespace, tmp_path: Path) -> None:
    prefix, machine, pid, started, key = temporary_name().split("-")
    killed = tmp_path / "-".join([prefix, machine, pid, str(int(started) - 1000), key])
    killed.mkdir()
    (killed / "image.nii.gz").write_bytes(b"of a patient")
    export(filled, tmp_path / "plain", "nifti")
    assert not killed.exists()


@pytest.mark.parametrize(
    ("output", "form", "words"),
    [
        ("Dataset1_A", "nnunet", "Dataset123_Name"),
        ("missing/Dataset001_A", "nnunet", "does not exist"),
        ("missing/volumes.csv", "volumes", "does not exist"),
        ("out", "dicom", "choose one of nifti, nnunet, decathlon, volumes, dicom-seg"),
        ("out", "dicom-seg", "give --case and --series"),
    ],
)
def test_wrong_use_is_one_sentence(filled: SimpleNamespace, tmp_path: Path, output: str, form: str, words: str) -> None:
    with pytest.raises(ProjectError, match=words):
        export(filled, tmp_path / output, form)


def test_project_without_labels_has_nothing_to_export(filled: SimpleNamespace, tmp_path: Path) -> None:
    empty = Project.create(tmp_path / "empty", filled.project.labels)
    with pytest.raises(ProjectError, match="no labeled case to export; label a case first"):
        export(SimpleNamespace(project=empty), tmp_path / "out", "nifti")
    with pytest.raises(ProjectError, match="no case"):
        export(filled, tmp_path / "out", "nifti", ["case-0000000000"])


def test_command_line_tells_what_it_wrote_and_left_out(run_cli, assert_mistake, filled, tmp_path: Path) -> None:
    result = run_cli("cases", "export", filled.project.path, tmp_path / "Dataset009_A", "--format", "nnunet")
    assert result.returncode == 0
    assert result.stdout.startswith("Wrote 2 cases for training and 1 for testing to ")
    assert result.stderr == f"{filled.excluded} was left out: It is excluded.\n"
    as_json = run_cli("cases", "export", filled.project.path, tmp_path / "one", "--case", filled.partial, "--json")
    assert json.loads(as_json.stdout)["train"] == [filled.partial]
    assert_mistake(run_cli("cases", "export", filled.project.path, tmp_path / "one"), "exists already")
