"""Many cases are imported by patterns; a bad file is reported and does not stop the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from VQSegLib.errors import UserError
from VQSegLib.image_files import save_volume
from VQSegLib.labels import Label, LabelTable
from VQSegLib.project.folder import Project
from VQSegLib.project.importing import import_cases
from VQSegLib.volume import Volume


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A new, empty project."""
    return Project.create(tmp_path / "project", LabelTable(labels=(Label(value=1, name="Cord", color=(1, 2, 3)),)))


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Folder with images and label maps of the keys a, b and c; the name of the folder is hard to glob."""
    folder = tmp_path / "scans [1] ä"
    folder.mkdir()
    for number, key in enumerate("cab"):
        array = np.full((3, 4, 5), number, np.int16)
        save_volume(folder / f"{key}_image.nii.gz", Volume(array, np.eye(4)))
        save_volume(folder / f"{key}_label.nii.gz", Volume((array * 0 + 1).astype(np.uint8), np.eye(4)))
    return folder


def test_images_and_labels_are_paired_by_key(project: Project, scans: Path) -> None:
    result = import_cases(project, f"{scans}/*_image.nii.gz", f"{scans}/*_label.nii.gz", split="train")
    assert list(result.imported) == ["a", "b", "c"]
    assert result.failed == {}
    np.testing.assert_array_equal(project.load_image(result.imported["c"]).array, 0)
    assert all(case.is_labeled for case in project.cases(split="train"))


def test_source_names_are_stored_nowhere(project: Project, scans: Path) -> None:
    (scans / "c_image.nii.gz").rename(scans / "Jane Doe_image.nii.gz")
    import_cases(project, f"{scans}/*_image.nii.gz", None, split="train", keys=["Jane Doe"])
    for file in project.path.rglob("*"):
        assert "Jane" not in str(file.relative_to(project.path))
        assert not file.is_file() or b"Jane" not in file.read_bytes()


def test_bad_file_does_not_stop_the_others(project: Project, scans: Path) -> None:
    (scans / "a_image.nii.gz").write_text("no image")
    (scans / "b_label.nii.gz").unlink()
    result = import_cases(project, f"{scans}/*_image.nii.gz", f"{scans}/*_label.nii.gz", split="train")
    assert list(result.imported) == ["c"]
    assert sorted(result.failed) == ["a", "b"]
    assert "No label map" in result.failed["b"]
    assert len(project.cases()) == 1


def test_keys_restrict_the_import_and_progress_is_told(project: Project, scans: Path) -> None:
    told: list[tuple[float, str]] = []
    result = import_cases(
        project,
        f"{scans}/*_image.nii.gz",
        None,
        split="validation",
        keys=["c", "a"],
        on_progress=lambda *it: told.append(it),
    )
    assert list(result.imported) == ["a", "c"]
    assert told == [(0.0, "Scan 1 of 2"), (0.5, "Scan 2 of 2")]


@pytest.mark.parametrize(
    ("pattern", "keys", "words"),
    [
        ("image.nii.gz", None, "exactly one"),
        ("*/*.nii.gz", None, "exactly one"),
        ("*_imag.nii.gz", None, "No image matches"),
        ("*_image.nii.gz", ["z"], "key z"),
    ],
)
def test_pattern_that_fits_nothing_is_refused(
    project: Project, scans: Path, pattern: str, keys: list[str] | None, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        import_cases(project, f"{scans}/{pattern}", None, split="train", keys=keys)
    assert project.cases() == []
