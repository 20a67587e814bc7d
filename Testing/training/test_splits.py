"""Which cases a run uses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from VQSegLib.atomic_files import write_text
from VQSegLib.errors import ProjectError
from VQSegLib.labels import LabelTable
from VQSegLib.project.cases import RECORD_NAME, CaseState, Split
from VQSegLib.project.folder import Project
from VQSegLib.training.splits import select_cases


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
