"""Every fifth labeled patient is held out, for good, with all scans."""

from __future__ import annotations

import pytest

from VQSegLib.errors import ProjectError
from VQSegLib.project.cases import Split
from VQSegLib.project.folder import Project
from VQSegLib.project.held_out import describe_split
from VQSegLib.project.review import Review


@pytest.fixture
def add(project: Project, draw_image, draw_label):
    """Add a labeled or an unlabeled scan."""
    seeds = iter(range(1000))

    def add_scan(*, labeled: bool = True, **options):
        return project.add_case(draw_image(next(seeds)), draw_label(1) if labeled else None, **options)

    return add_scan


def test_nobody_before_the_fifth_then_every_fifth(add) -> None:
    records = [add() for _ in range(11)]
    held_out = [number for number, record in enumerate(records, start=1) if record.split == Split.HELD_OUT]
    assert held_out == [5, 10]
    assert [record.held_out_as for record in records if record.split == Split.HELD_OUT] == [5, 10]


def test_unlabeled_scans_do_not_count(add) -> None:
    assert all(add(labeled=False).split == Split.TRAIN for _ in range(6))


def test_several_scans_of_a_patient_count_once(add) -> None:
    first = add()
    assert all(add(patient_id=first.patient_id).split == Split.TRAIN for _ in range(6))
    assert [add().split for _ in range(4)] == ["train", "train", "train", "held_out"]


def test_all_scans_of_a_patient_are_on_one_side(project: Project, add, draw_label) -> None:
    for _ in range(4):
        add()
    waiting = add(labeled=False)
    twin = add(labeled=False, patient_id=waiting.patient_id)
    assert project.revise_case(waiting.case_id, draw_label(5), Review()).split == Split.HELD_OUT
    assert project.case(twin.case_id).split == Split.HELD_OUT
    assert project.case(twin.case_id).held_out_as == 5
    assert add(labeled=False, patient_id=waiting.patient_id).split == Split.HELD_OUT


def test_earlier_scans_follow_a_patient_who_is_held_out_by_a_new_scan(project: Project, add) -> None:
    for _ in range(4):
        add()
    waiting = add(labeled=False)
    assert add(patient_id=waiting.patient_id).split == Split.HELD_OUT
    assert project.case(waiting.case_id).split == Split.HELD_OUT


def test_side_stays_whatever_happens_to_the_others(project: Project, add) -> None:
    records = [add() for _ in range(5)]
    for record in records[:3]:
        project.remove_case(record.case_id)
    assert project.case(records[4].case_id).split == Split.HELD_OUT
    assert [add().split for _ in range(3)] == ["train", "train", "train"]


def test_share_is_kept_when_a_held_out_patient_is_removed_or_excluded(project: Project, add) -> None:
    held_out = [add() for _ in range(5)][-1]
    project.exclude_case(held_out.case_id)
    replacement = add()
    assert replacement.split == Split.HELD_OUT
    project.remove_case(replacement.case_id)
    assert add().split == Split.HELD_OUT


def test_patients_with_a_chosen_split_are_not_touched(add) -> None:
    assert all(add(split="train").split == Split.TRAIN for _ in range(9))
    assert [add().split for _ in range(5)] == ["train", "train", "train", "train", "held_out"]


def test_revision_changes_no_side(project: Project, add, draw_label) -> None:
    records = [add() for _ in range(5)]
    for record in records:
        assert project.revise_case(record.case_id, draw_label(5), Review()).split == record.split


def test_labeling_a_known_scan_on_another_side_is_refused(project: Project, draw_image, draw_label) -> None:
    project.add_case(draw_image(0), None)
    with pytest.raises(ProjectError, match="do not change"):
        project.add_case(draw_image(0), draw_label(1), split="test")


def test_reason_is_told(add) -> None:
    records = [add() for _ in range(5)]
    assert "patient number 5" in describe_split(records[4])
    assert "every fifth" in describe_split(records[0])
    assert "by the choice" in describe_split(add(split="test"))
    assert "pool" in describe_split(add(labeled=False))
