"""Scans are found in files and folders, DICOM series by series; scans of one patient stay together."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from VQSegLib.errors import UserError
from VQSegLib.image_files import load_volume, save_volume
from VQSegLib.project.folder import Project
from VQSegLib.project.importing import add_scans
from VQSegLib.project.scan_sources import find_scans

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def folder(tmp_path: Path, draw_image) -> Path:
    """Two image files, two DICOM series of different patients in one folder, and things that are no scans."""
    root = tmp_path / "Köpfe [1]"
    (root / "sub" / "dicom").mkdir(parents=True)
    save_volume(root / "b.nrrd", draw_image(0))
    save_volume(root / "sub" / "a.nii.gz", draw_image(1))
    for number, source in enumerate((DATA / "odd" / "ct-64Dicom", DATA / "odd" / "ct-3slice")):
        for file in source.iterdir():
            shutil.copy(file, root / "sub" / "dicom" / f"{number} {file.name}")
    (root / "notes.txt").write_text("no scan")
    (root / ".hidden.nii.gz").write_text("no scan")
    return root


def test_every_scan_is_found_once(folder: Path) -> None:
    found = find_scans([folder, folder / "b.nrrd", folder / "sub"])
    assert [source.path.name.split(" ")[0] for source in found] == ["b.nrrd", "a.nii.gz", "0", "1"] or [
        source.path.name.split(" ")[0] for source in found
    ] == ["b.nrrd", "a.nii.gz", "1", "0"]
    assert sorted(load_volume(source.path).shape_kji for source in found) == [
        (3, 512, 512),
        (4, 6, 8),
        (4, 6, 8),
        (16, 64, 64),
    ]
    assert len({source.name for source in found}) == 4


def test_nothing_found_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        find_scans([tmp_path / "missing"])
    with pytest.raises(UserError, match="No scan was found"):
        find_scans([tmp_path])


def test_series_of_one_patient_stay_together(project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [type(one)(one.path, one.name, "patient 7") for one in find_scans([folder])[:2]]
    monkeypatch.setattr("VQSegLib.project.importing.find_scans", lambda _paths: sources)
    result = add_scans(project, [folder])
    assert len({project.case(case_id).patient_id for case_id in result.imported.values()}) == 1
    assert "patient 7" not in (project.path / "cases").rglob("case.json").__next__().read_text(encoding="utf-8")


def test_scans_are_added_and_a_bad_one_is_told(project: Project, folder: Path) -> None:
    (folder / "broken.nii").write_text("no image")
    told: list[tuple[float, str]] = []
    result = add_scans(project, [folder], on_progress=lambda *it: told.append(it))
    assert len(result.imported) == 4
    assert list(result.failed) == ["broken.nii"]
    assert told[0] == (0.0, "Scan 1 of 5")
    first = project.case(next(iter(result.imported.values())))
    save_volume(
        folder / "later.nii.gz", load_volume(folder / "b.nrrd").with_array(load_volume(folder / "b.nrrd").array + 1)
    )
    later = add_scans(project, [folder / "later.nii.gz"], patient_id=first.patient_id)
    assert project.case(later.imported["later.nii.gz"]).patient_id == first.patient_id


def test_files_of_one_name_are_told_apart(project: Project, folder: Path, draw_image) -> None:
    for number in (1, 2):
        (folder / f"p{number}").mkdir()
        save_volume(folder / f"p{number}" / "ct.nii.gz", draw_image(10 + number))
    result = add_scans(project, [folder / "p1", folder / "p2"])
    assert len(result.imported) == 2
    assert "ct.nii.gz" in result.imported
