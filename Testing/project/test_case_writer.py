"""Label maps become revisions, with what is known about them; nothing is overwritten and nothing half done stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from VQSegLib.errors import Cancelled, ProjectError
from VQSegLib.project.case_checks import ConfirmationNeeded
from VQSegLib.project.cases import CaseState, LabelEdits
from VQSegLib.project.document import add_label
from VQSegLib.project.folder import Project
from VQSegLib.project.review import Review


def files(project: Project) -> list[str]:
    """Return the names of all files and folders below ``cases`` but the lock."""
    root = project.path / "cases"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.name != ".lock")


def test_every_label_map_is_a_new_revision_and_older_ones_stay(project: Project, draw_image, draw_label) -> None:
    record = project.add_case(draw_image(0), draw_label(1))
    revised = project.revise_case(record.case_id, draw_label(5, 5), Review(origin="corrected"))
    assert [revision.name for revision in revised.labels] == ["label.r0001.nii.gz", "label.r0002.nii.gz"]
    np.testing.assert_array_equal(project.load_label(record.case_id).array, draw_label(5, 5).array)
    np.testing.assert_array_equal(project.load_label(record.case_id, 1).array, draw_label(1).array)
    assert Project.open(project.path).case(record.case_id) == revised
    with pytest.raises(ProjectError, match="no revision 3"):
        project.load_label(record.case_id, 3)


def test_unlabeled_scan_that_comes_back_with_a_label_map_is_labeled(project: Project, draw_image, draw_label) -> None:
    waiting = project.add_case(draw_image(0), None)
    labeled = project.add_case(draw_image(0), draw_label(1))
    assert labeled.case_id == waiting.case_id
    assert (waiting.state, labeled.state) == ("unlabeled", "queued")
    assert len(project.cases()) == 1


def test_labeled_scan_again_is_refused_unless_it_is_a_revision(project: Project, draw_image, draw_label) -> None:
    record = project.add_case(draw_image(0), draw_label(1))
    before = files(project)
    with pytest.raises(ProjectError, match=rf"already as '{record.case_id}' \(queued\); accept it as a new revision"):
        project.add_case(draw_image(0), draw_label(5))
    assert files(project) == before
    assert len(project.add_case(draw_image(0), draw_label(5), is_revision=True).labels) == 2


def test_the_same_label_map_again_is_refused(project: Project, draw_image, draw_label) -> None:
    record = project.add_case(draw_image(0), draw_label(1))
    with pytest.raises(ProjectError, match="very label map"):
        project.revise_case(record.case_id, draw_label(1), Review())
    assert len(project.revise_case(record.case_id, draw_label(1), Review(reviewed_slices=(0,))).labels) == 2


def test_states_follow_labels_runs_and_exclusion(project: Project, draw_image, draw_label) -> None:
    record = project.add_case(draw_image(0), draw_label(1))
    other = project.add_case(draw_image(1), draw_label(1))
    case_id = record.case_id
    project.mark_trained("run-1", {case_id: 1, other.case_id: 1, "case-0000000000": 1})
    assert project.case(case_id).state == CaseState.TRAINED
    assert project.case(case_id).trained_run == "run-1"
    assert project.revise_case(case_id, draw_label(5), Review()).state == CaseState.QUEUED
    project.mark_trained("run-2", {case_id: 1})
    assert project.case(case_id).state == CaseState.QUEUED
    project.exclude_case(other.case_id)
    project.mark_trained("run-3", {other.case_id: 1})
    assert project.case(other.case_id).state == CaseState.EXCLUDED
    with pytest.raises(ProjectError, match="include it again"):
        project.revise_case(other.case_id, draw_label(5), Review())
    assert project.include_case(other.case_id).state == CaseState.TRAINED


def test_provenance_says_who_when_and_what_was_changed(project: Project, draw_image, draw_label) -> None:
    review = Review(
        origin="corrected",
        annotator_id="Ärztin 1",
        started="2026-11-01T10:00:00+00:00",
        model_id="model-1",
        model_sha256="0" * 64,
        proposal=draw_label(1, 1, 5),
    )
    record = project.add_case(draw_image(0), draw_label(1, 5, 5, 5), review=review)
    revision = Project.open(project.path).case(record.case_id).labels[0]
    assert revision.provenance.annotator_id == "Ärztin 1"
    assert revision.provenance.started == review.started
    assert revision.provenance.created > review.started
    assert revision.provenance.model_sha256 == "0" * 64
    assert revision.edits is not None
    assert revision.edits.voxels == 2
    assert revision.edits.labels == (
        LabelEdits(value=1, added_voxels=0, removed_voxels=1),
        LabelEdits(value=5, added_voxels=2, removed_voxels=0),
    )
    from VQSegLib.image_files import load_label_map

    changed = load_label_map(project.case_folder(record.case_id) / revision.edits.name).array
    assert np.flatnonzero(changed).tolist() == [1, 3]


def test_proposal_on_another_grid_is_refused(project: Project, draw_image, draw_label) -> None:
    label = draw_label(1)
    proposal = type(label)(label.array[:3], label.affine_ijk_to_ras)
    with pytest.raises(ProjectError, match="shape"):
        project.add_case(draw_image(0), label, review=Review(proposal=proposal))
    assert files(project) == []


def test_reviewed_slices_are_kept_in_order_and_all_of_them_means_all(project: Project, draw_image, draw_label) -> None:
    def add(seed: int, slices):
        record = project.add_case(draw_image(seed), draw_label(1), review=Review(reviewed_slices=slices))
        return record.labels[0].reviewed_slices

    assert add(0, (2, 0, 2)) == (0, 2)
    assert add(1, (0, 1, 2, 3)) is None
    assert add(2, None) is None
    for seed, slices in enumerate([(), (4,), (-1, 0)], start=3):
        with pytest.raises(ProjectError, match="among 0 to 3"):
            add(seed, slices)


def test_empty_label_map_needs_a_confirmation(project: Project, draw_image, draw_label) -> None:
    with pytest.raises(ConfirmationNeeded, match="empty") as refused:
        project.add_case(draw_image(0), draw_label())
    assert refused.value.question == "empty"
    assert files(project) == []
    record = project.add_case(draw_image(0), draw_label(), review=Review(is_empty_meant=True))
    assert record.state == CaseState.QUEUED


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 81])
def test_annotator_is_one_short_line(name: str) -> None:
    with pytest.raises(ProjectError, match="one line"):
        Review(annotator_id=name)


def test_stopping_before_the_last_step_leaves_nothing(project: Project, draw_image, draw_label) -> None:
    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        project.add_case(draw_image(0), draw_label(1), before_commit=stop)
    assert files(project) == []
    record = project.add_case(draw_image(0), None)
    before = files(project)
    with pytest.raises(Cancelled):
        project.revise_case(record.case_id, draw_label(1), Review(), stop)
    assert files(project) == before
    assert project.case(record.case_id) == record


def test_label_map_of_an_unknown_writer_is_never_overwritten(project: Project, draw_image, draw_label) -> None:
    record = project.add_case(draw_image(0), draw_label(1))
    theirs = project.case_folder(record.case_id) / "label.r0002.nii.gz"
    theirs.write_bytes(b"theirs")
    revised = project.revise_case(record.case_id, draw_label(5), Review())
    assert revised.labels[-1].name == "label.r0003.nii.gz"
    assert theirs.read_bytes() == b"theirs"


def test_revision_that_cannot_be_registered_is_taken_back(
    project: Project, draw_image, draw_label, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = project.add_case(draw_image(0), draw_label(1))
    before = files(project)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("VQSegLib.project.case_store.write_text", fail)
    with pytest.raises(ProjectError, match=r"Nothing was changed: .*No space left on device"):
        project.revise_case(record.case_id, draw_label(5), Review(proposal=draw_label(1)))
    assert files(project) == before
    assert project.case(record.case_id) == record


def test_removed_case_is_gone(project: Project, draw_image, draw_label) -> None:
    record = project.add_case(draw_image(0), draw_label(1))
    kept = project.add_case(draw_image(1), None)
    project.remove_case(record.case_id)
    assert project.cases() == [kept]
    assert not project.case_folder(record.case_id).exists()
    assert project.add_case(draw_image(0), None).state == "unlabeled"


@pytest.mark.parametrize("case_id", ["case-0000000000", "..", "", "../models", "case-000000000/"])
def test_only_cases_can_be_removed(project: Project, case_id: str) -> None:
    with pytest.raises(ProjectError, match="no case"):
        project.remove_case(case_id)
    assert (project.path / "models").is_dir()


def test_damaged_case_does_not_hide_the_others_and_can_be_removed(project: Project, draw_image, draw_label) -> None:
    damaged = project.add_case(draw_image(0), draw_label(1))
    incomplete = project.add_case(draw_image(1), None)
    whole = project.add_case(draw_image(2), None)
    (project.case_folder(damaged.case_id) / "case.json").write_text("{")
    (project.case_folder(incomplete.case_id) / "case.json").unlink()
    listing = Project.open(project.path).list_cases()
    assert listing.records == (whole,)
    assert set(listing.damaged) == {damaged.case_id, incomplete.case_id}
    assert "damaged" in listing.damaged[damaged.case_id]
    with pytest.raises(ProjectError, match="incomplete"):
        project.case(incomplete.case_id)
    assert project.add_case(draw_image(3), None).state == "unlabeled"
    for case_id in listing.damaged:
        project.remove_case(case_id)
    assert len(project.cases()) == 2


def test_copied_case_folder_is_not_a_second_case(project: Project, draw_image) -> None:
    record = project.add_case(draw_image(0), None)
    shutil.copytree(project.case_folder(record.case_id), project.case_folder("case-ffffffffff"))
    listing = project.list_cases()
    assert listing.records == (record,)
    assert f"holds {record.case_id}" in listing.damaged["case-ffffffffff"]


def test_label_added_to_the_table_is_allowed_and_noted_as_not_judged(project: Project, draw_image, draw_label) -> None:
    record = project.add_case(draw_image(0), draw_label(1))
    assert record.unjudged_values(project.labels) == ()
    with pytest.raises(ProjectError, match="6"):
        project.revise_case(record.case_id, draw_label(6), Review())
    project.change_document(lambda document: add_label(document, "Tumor"))
    other = Project.open(project.path)
    assert other.case(record.case_id).unjudged_values(other.labels) == (6,)
    revised = other.revise_case(record.case_id, draw_label(6), Review())
    assert revised.unjudged_values(other.labels) == ()


def test_no_source_path_or_name_is_stored(project: Project, draw_image, draw_label, tmp_path: Path) -> None:
    record = project.add_case(draw_image(0), draw_label(1))
    assert str(tmp_path) not in (project.case_folder(record.case_id) / "case.json").read_text(encoding="utf-8")
