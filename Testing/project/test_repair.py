"""Opening a project takes back what a dead writer left half done, and says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from VQSegLib.leftovers import temporary_name
from VQSegLib.project.folder import Project
from VQSegLib.project.review import Review


def dead_name(case_id: str = "") -> str:
    """Return a temporary name of a process of this machine that is gone."""
    prefix, machine, pid, started, key = temporary_name().split("-")
    return "-".join([prefix, machine, pid, str(int(started) - 1000), key, *([case_id] if case_id else [])])


def names(project: Project) -> set[str]:
    return {path.name for path in project.path.rglob("*") if path.name != ".lock"}


def test_unfinished_revision_is_taken_back(project: Project, draw_image, draw_label) -> None:
    record = project.add_case(draw_image(0), draw_label(1))
    project.revise_case(record.case_id, draw_label(5), Review())
    record = project.case(record.case_id)
    before = names(project)
    (project.path / "cases" / dead_name(record.case_id)).mkdir()
    for name in ("label.r0003.nii.gz", "edits.r0003.nii.gz"):
        (project.case_folder(record.case_id) / name).write_bytes(b"half")
    repairs = Project.open(project.path).repairs
    assert len(repairs) == 3
    assert f"'label.r0003.nii.gz' of {record.case_id}" in " ".join(repairs)
    assert names(project) == before
    assert project.case(record.case_id) == record
    assert Project.open(project.path).repairs == ()


def test_revision_of_a_living_writer_is_left_alone(project: Project, draw_image, draw_label) -> None:
    record = project.add_case(draw_image(0), draw_label(1))
    for name in (dead_name(record.case_id), f"{temporary_name()}-{record.case_id}"):
        (project.path / "cases" / name).mkdir()
    label = project.case_folder(record.case_id) / "label.r0002.nii.gz"
    label.write_bytes(b"being registered")
    assert len(Project.open(project.path).repairs) == 1
    assert label.exists()


def test_leftovers_are_removed_everywhere(project: Project, tiny_model: Path) -> None:
    project.models.add(tiny_model)
    before = names(project)
    (project.path / dead_name()).write_text("{")
    (project.path / "models" / dead_name()).write_bytes(b"half a model")
    removed = project.path / "cases" / dead_name()
    removed.mkdir()
    (removed / "case.json").write_text("{}")
    (project.path / "cases" / f"{dead_name('case-0123456789')}").mkdir()
    assert len(Project.open(project.path).repairs) == 4
    assert names(project) == before


def test_scans_of_a_held_out_patient_are_brought_together(project: Project, draw_image) -> None:
    first = project.add_case(draw_image(0), None)
    second = project.add_case(draw_image(1), None, patient_id=first.patient_id)
    file = project.case_folder(first.case_id) / "case.json"
    document = json.loads(file.read_text(encoding="utf-8")) | {"split": "held_out", "held_out_as": 5}
    file.write_text(json.dumps(document), encoding="utf-8")
    (project.path / "cases" / dead_name(first.case_id)).mkdir()
    repairs = Project.open(project.path).repairs
    assert any("held-out side" in sentence for sentence in repairs)
    assert project.case(second.case_id).split == "held_out"
    assert project.case(second.case_id).held_out_as == 5


def test_project_that_cannot_be_repaired_still_opens(
    project: Project, draw_image, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = project.add_case(draw_image(0), None)
    (project.path / "cases" / dead_name()).mkdir()

    def refuse(_path: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("VQSegLib.project.repair.shutil.rmtree", refuse)
    opened = Project.open(project.path)
    assert opened.repairs == ()
    assert opened.cases() == [record]


def test_copy_without_empty_folders_opens(project: Project) -> None:
    for name in ("cases", "models", "runs"):
        (project.path / name).rmdir()
    assert Project.open(project.path).cases() == []
    assert (project.path / "runs").is_dir()
