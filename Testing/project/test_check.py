"""A check finds what is wrong with a project and changes nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from VQSegLib.errors import Cancelled
from VQSegLib.project.check import check_project
from VQSegLib.project.document import add_label
from VQSegLib.project.folder import Project
from VQSegLib.project.review import Review


def edit(project: Project, folder: str, **fields: object) -> None:
    file = project.case_folder(folder) / "case.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | fields), encoding="utf-8")


def test_whole_project_has_no_problem(project: Project, draw_image, draw_label, tiny_model: Path) -> None:
    for seed in range(3):
        project.add_case(draw_image(seed), draw_label(1), review=Review(proposal=draw_label(5)))
    project.models.promote(project.models.add(tiny_model), rule="")
    told: list[tuple[float, str]] = []
    report = check_project(project, on_progress=lambda *it: told.append(it))
    assert (report.cases, report.problems, report.notes) == (3, (), ())
    assert [fraction for fraction, _ in told] == pytest.approx([0, 1 / 3, 2 / 3])


@pytest.mark.parametrize("name", ["image.nii.gz", "label.r0001.nii.gz", "edits.r0001.nii.gz"])
@pytest.mark.parametrize("is_missing", [True, False])
def test_changed_or_missing_file_is_found(
    project: Project, draw_image, draw_label, name: str, is_missing: bool
) -> None:
    record = project.add_case(draw_image(0), draw_label(1), review=Review(proposal=draw_label(5)))
    file = project.case_folder(record.case_id) / name
    if is_missing:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1])
    (problem,) = check_project(project).problems
    assert f"'{name}' of {record.case_id} {'is missing' if is_missing else 'was changed'}" in problem


def test_contradictions_between_cases_are_found(project: Project, draw_image, draw_label) -> None:
    first = project.add_case(draw_image(0), draw_label(1))
    second = project.add_case(draw_image(1), None, patient_id=first.patient_id)
    edit(project, second.case_id, split="test")
    shutil.copytree(project.case_folder(second.case_id), project.case_folder("case-ffffffffff"))
    edit(project, "case-ffffffffff", case_id="case-ffffffffff", patient_id="patient-ffffffffff")
    (project.case_folder(first.case_id) / "label.r0009.nii.gz").write_bytes(b"")
    problems = " ".join(check_project(project).problems)
    assert "hold the same image" in problems
    assert "another scan of its patient" in problems
    assert "'label.r0009.nii.gz'" in problems


def test_damaged_case_model_and_choice_are_found(project: Project, draw_image, tiny_model: Path) -> None:
    record = project.add_case(draw_image(0), None)
    (project.case_folder(record.case_id) / "case.json").write_text("{")
    model_id = project.models.add(tiny_model)
    project.models.promote(model_id, rule="")
    project.models.path(model_id).write_bytes(b"{}")
    report = check_project(project)
    assert report.cases == 1
    assert len(report.problems) == 2
    project.models.path(model_id).unlink()
    assert "no model" in " ".join(check_project(project).problems)


def test_case_accepted_before_a_label_existed_is_noted(project: Project, draw_image, draw_label) -> None:
    record = project.add_case(draw_image(0), draw_label(1))
    project.change_document(lambda document: add_label(document, "Tumor"))
    report = check_project(project)
    assert report.problems == ()
    assert f"{record.case_id} was accepted before the table had Tumor" in report.notes[0]


def test_check_can_be_stopped(project: Project, draw_image) -> None:
    project.add_case(draw_image(0), None)

    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        check_project(project, before_case=stop)
