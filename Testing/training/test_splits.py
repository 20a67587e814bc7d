"""Which cases a run uses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from VQSegLib.atomic_files import write_text
from VQSegLib.errors import ProjectError
from VQSegLib.labels import LabelTable
from VQSegLib.project.cases import RECORD_NAME, CaseState, Split
from VQSegLib.project.document import add_label
from VQSegLib.project.folder import Project
from VQSegLib.project.review import Review
from VQSegLib.training.splits import load_cases, save_cases, select_cases


def test_test_cases_are_never_chosen_and_validation_is_apart(project: Project) -> None:
    cases = select_cases(project, uses_unlabeled=True)
    assert (len(cases.labeled), len(cases.unlabeled), len(cases.validation)) == (2, 2, 1)
    for chosen, split in ((cases.labeled, Split.TRAIN), (cases.unlabeled, Split.TRAIN)):
        assert {record.split for record in chosen} == {split}
    assert cases.validation[0].split == Split.VALIDATION
    assert not any(record.is_labeled for record in cases.unlabeled)
    assert select_cases(project, uses_unlabeled=False).unlabeled == ()


def test_the_order_does_not_depend_on_the_random_ids(
    tmp_path: Path, sided_labels: LabelTable, make_scan: Callable
) -> None:
    orders = []
    for name, seeds in (("a", (0, 1, 2)), ("b", (2, 0, 1))):
        project = Project.create(tmp_path / name, sided_labels)
        for seed in seeds:
            project.add_case(*make_scan(seed), split="train")
        orders.append([r.image.voxel_sha256 for r in select_cases(project, uses_unlabeled=False).labeled])
    assert orders[0] == orders[1]


def test_excluded_cases_are_left_out(fresh_project: Project, make_scan: Callable) -> None:
    kept = fresh_project.add_case(*make_scan(0), split="train")
    dropped = fresh_project.add_case(*make_scan(1), split="train")
    record = dropped.model_copy(update={"state": CaseState.EXCLUDED})
    write_text(fresh_project.case_folder(dropped.case_id) / RECORD_NAME, record.model_dump_json())
    assert [r.case_id for r in select_cases(fresh_project, uses_unlabeled=False).labeled] == [kept.case_id]


def test_unlabeled_validation_cases_are_no_use(fresh_project: Project, make_scan: Callable) -> None:
    fresh_project.add_case(*make_scan(0), split="train")
    fresh_project.add_case(make_scan(1)[0], None, split="validation")
    cases = select_cases(fresh_project, uses_unlabeled=False)
    assert cases.validation == ()
    with pytest.raises(ProjectError, match="has no unlabeled case"):
        select_cases(fresh_project, uses_unlabeled=True)


def test_a_case_reviewed_in_part_is_also_unlabeled(fresh_project: Project, make_scan: Callable) -> None:
    whole = fresh_project.add_case(*make_scan(0), split="train")
    part = fresh_project.add_case(*make_scan(1), split="train", review=Review(reviewed_slices=(3, 4)))
    cases = select_cases(fresh_project, uses_unlabeled=True)
    assert {record.case_id for record in cases.labeled} == {whole.case_id, part.case_id}
    assert [record.case_id for record in cases.unlabeled] == [part.case_id]


def test_held_out_cases_are_apart_from_all_others(fresh_project: Project, make_scan: Callable) -> None:
    for seed in range(5):
        fresh_project.add_case(*make_scan(seed))
    cases = select_cases(fresh_project, uses_unlabeled=False)
    assert (len(cases.labeled), len(cases.validation), len(cases.held_out)) == (4, 0, 1)


def test_a_label_nobody_ever_judged_cannot_be_taught(fresh_project: Project, make_scan: Callable) -> None:
    first = fresh_project.add_case(*make_scan(0), split="train")
    fresh_project.change_document(lambda it: add_label(it, "Larynx"))
    with pytest.raises(ProjectError, match="No label map says anything about Larynx"):
        select_cases(fresh_project, uses_unlabeled=False)
    fresh_project.add_case(*make_scan(1), split="train")
    assert first.case_id in select_cases(fresh_project, uses_unlabeled=False).revisions


def test_a_resumed_run_goes_on_with_the_revisions_and_labels_it_began_with(
    fresh_project: Project, make_scan: Callable, tmp_path: Path
) -> None:
    record = fresh_project.add_case(*make_scan(0), split="train")
    fresh_project.add_case(make_scan(5)[0], None)
    began = select_cases(fresh_project, uses_unlabeled=True)
    save_cases(tmp_path, began)
    fresh_project.revise_case(record.case_id, make_scan(1)[1], Review())
    fresh_project.add_case(*make_scan(2), split="train")
    fresh_project.change_document(lambda it: add_label(it, "Larynx"))
    again = load_cases(fresh_project, tmp_path)
    assert again.revisions == began.revisions == {record.case_id: 1}
    assert again.labels == began.labels
    assert [one.case_id for one in again.unlabeled] == [one.case_id for one in began.unlabeled]


@pytest.mark.parametrize("what", ["removed", "excluded"])
def test_a_run_whose_case_was_taken_away_cannot_go_on(
    fresh_project: Project, make_scan: Callable, tmp_path: Path, what: str
) -> None:
    record = fresh_project.add_case(*make_scan(0), split="train")
    save_cases(tmp_path, select_cases(fresh_project, uses_unlabeled=False))
    {"removed": fresh_project.remove_case, "excluded": fresh_project.exclude_case}[what](record.case_id)
    with pytest.raises(ProjectError, match=f"was {what} since the run began"):
        load_cases(fresh_project, tmp_path)


def test_a_folder_without_a_run_is_told(fresh_project: Project, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="no run to resume"):
        load_cases(fresh_project, tmp_path)
