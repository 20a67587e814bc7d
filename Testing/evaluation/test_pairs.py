"""Which files are compared with which."""

from pathlib import Path

import pytest

from VQSegLib.errors import UserError
from VQSegLib.evaluation.pairs import match_files


def make_folder(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    return folder


def test_folders_are_matched_by_name_whatever_the_format(tmp_path) -> None:
    predictions = make_folder(tmp_path / "Ergebnis ä", "b.nrrd", "a.nii.gz", "extra.mha", "notes.txt", ".hidden.nii")
    references = make_folder(tmp_path / "reference", "a.nii", "b.NII.GZ", "alone.nii.gz")
    matched = match_files(predictions, references)
    assert [(pair.case_id, pair.prediction.name, pair.reference.name) for pair in matched.pairs] == [
        ("a", "a.nii.gz", "a.nii"),
        ("b", "b.nrrd", "b.NII.GZ"),
    ]
    assert matched.without_prediction == ("alone",)
    assert matched.without_reference == ("extra",)


def test_two_files_need_no_common_name(tmp_path) -> None:
    folder = make_folder(tmp_path / "files", "mine.nii.gz", "theirs.nrrd")
    matched = match_files(folder / "mine.nii.gz", folder / "theirs.nrrd")
    assert [pair.case_id for pair in matched.pairs] == ["theirs"]


def test_missing_path_is_named(tmp_path) -> None:
    with pytest.raises(UserError, match=r"no file or folder '.*nowhere'"):
        match_files(tmp_path, tmp_path / "nowhere")


def test_file_against_folder_is_refused(tmp_path) -> None:
    folder = make_folder(tmp_path / "files", "a.nii")
    for pair in ((folder, folder / "a.nii"), (folder / "a.nii", folder)):
        with pytest.raises(UserError, match=r"files' is a folder and '.*a.nii' is a file"):
            match_files(*pair)


def test_folders_without_a_common_name_show_what_they_hold(tmp_path) -> None:
    predictions = make_folder(tmp_path / "p", *(f"case{number}_pred.nii" for number in range(5)))
    references = make_folder(tmp_path / "r")
    with pytest.raises(UserError, match=r"case0_pred.nii, .* and 2 more.*no label maps.*matched by name"):
        match_files(predictions, references)


def test_two_files_of_one_name_are_refused(tmp_path) -> None:
    folder = make_folder(tmp_path / "p", "a.nii", "a.nrrd")
    with pytest.raises(UserError, match=r"'a.nii' and 'a.nrrd': keep one"):
        match_files(folder, make_folder(tmp_path / "r", "a.nii"))
