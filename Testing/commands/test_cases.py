"""`vqseg cases` and `vqseg project`: what a user types, sees and is refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from VQSegLib.image_files import load_label_map, save_label_map, save_volume
from VQSegLib.labels import LabelTable
from VQSegLib.project.folder import Project
from VQSegLib.volume import Volume

AFFINE = np.diag([-1.0, -1.0, 3.0, 1.0])


@pytest.fixture
def project(tmp_path: Path, tiny_labels: LabelTable) -> Path:
    """An empty project with the labels 2 and 5."""
    return Project.create(tmp_path / "Projekt ä", tiny_labels).path


@pytest.fixture
def files(tmp_path: Path) -> SimpleNamespace:
    """A scan, a label map, the proposal it was corrected from, and label maps that are wrong."""
    folder = tmp_path / "Jane Doe"
    folder.mkdir()
    rng = np.random.default_rng(0)
    image = Volume(rng.integers(-1000, 1000, (4, 6, 8), dtype=np.int16), AFFINE)
    label = np.zeros((4, 6, 8), np.uint8)
    label[1, 2, 3:6] = 5
    save_volume(folder / "scan.nii.gz", image)
    for name, array in {
        "label": label,
        "empty": label * 0,
        "foreign": label // 5 * 7,
        "proposal": label // 5 * 2,
    }.items():
        save_label_map(folder / f"{name}.nii.gz", Volume(array, AFFINE))
    save_label_map(folder / "shifted.nii.gz", Volume(label, AFFINE + np.outer([0, 0, 1, 0], [0, 0, 0, 3])))
    return SimpleNamespace(**{path.name.split(".")[0]: path for path in folder.iterdir()}, folder=folder)


def add(run_cli, project: Path, files: SimpleNamespace, *options) -> str:
    """Add the scan with its label map; return the case id."""
    result = run_cli("cases", "add", project, files.scan, "--label", files.label, *options)
    assert result.returncode == 0, result.stderr
    return result.stdout.split("\t")[0]


def test_corrected_scan_is_added_with_its_history(
    run_cli, project: Path, files: SimpleNamespace, tiny_model: Path
) -> None:
    options = ("--annotator", "Ärztin 1", "--model", tiny_model, "--proposal", files.proposal, "--reviewed", "1, 2-3")
    case_id = add(run_cli, project, files, *options)
    shown = run_cli("cases", "show", project, case_id)
    (revision,) = json.loads(shown.stdout)["labels"]
    assert revision["provenance"]["annotator_id"] == "Ärztin 1"
    assert revision["provenance"]["model_id"] == "tiny"
    assert revision["provenance"]["origin"] == "corrected"
    assert revision["reviewed_slices"] == [1, 2, 3]
    assert revision["edits"]["voxels"] == 3
    assert "every fifth" in shown.stderr
    np.testing.assert_array_equal(
        load_label_map(project / "cases" / case_id / "label.r0001.nii.gz").array, load_label_map(files.label).array
    )


@pytest.mark.parametrize(
    ("label", "options", "words"),
    [
        ("shifted", (), "lies elsewhere"),
        ("foreign", (), "7; allowed are 0 (background) and 2, 5"),
        ("empty", (), "confirm"),
        ("label", ("--reviewed", "7"), "among 0 to 3"),
        ("label", ("--reviewed", "3-1"), "3,5-9"),
        ("label", ("--reviewed", "x"), "3,5-9"),
        ("label", ("--split", "training"), "choose one of train, validation, test, held_out"),
        ("label", ("--same-patient-as", "case-0000000000"), "no case"),
        ("label", ("--model", "nobody"), "no model"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    run_cli, assert_mistake, project: Path, files: SimpleNamespace, label: str, options: tuple[str, ...], words: str
) -> None:
    before = sorted(project.rglob("*"))
    result = run_cli("cases", "add", project, files.scan, "--label", getattr(files, label), *options)
    assert_mistake(result, words)
    assert [path for path in sorted(project.rglob("*")) if path.name != ".lock"] == before


def test_same_scan_again_is_refused_unless_it_is_a_revision(
    run_cli, assert_mistake, project: Path, files: SimpleNamespace
) -> None:
    case_id = add(run_cli, project, files)
    again = ("cases", "add", project, files.scan, "--label", files.proposal)
    assert_mistake(run_cli(*again), case_id, "new revision")
    assert run_cli(*again, "--revision").stdout.startswith(case_id)
    assert len(Project.open(project).case(case_id).labels) == 2


def test_empty_label_map_is_accepted_when_confirmed(run_cli, project: Path, files: SimpleNamespace) -> None:
    result = run_cli("cases", "add", project, files.scan, "--label", files.empty, "--allow-empty", "--json")
    assert json.loads(result.stdout)["state"] == "queued"


def test_case_is_listed_relabeled_excluded_included_and_removed(
    run_cli, assert_mistake, project: Path, files: SimpleNamespace
) -> None:
    case_id = add(run_cli, project, files, "--annotator", "me")
    assert run_cli("cases", "relabel", project, case_id, files.proposal).stdout == f"{case_id}\tqueued\tr2\n"
    assert run_cli("cases", "exclude", project, case_id).stdout == f"{case_id}\texcluded\n"
    listed = run_cli("cases", "list", project)
    assert listed.stdout == f"{case_id}\texcluded\ttrain\tr2\t-\n"
    assert listed.stderr == "0 unlabeled, 0 queued, 0 trained, 1 excluded\n"
    assert run_cli("cases", "list", project, "--state", "queued").stdout == ""
    assert_mistake(run_cli("cases", "list", project, "--state", "ready"), "choose one of unlabeled")
    assert run_cli("cases", "include", project, case_id).stdout == f"{case_id}\tqueued\n"
    as_json = json.loads(run_cli("cases", "list", project, "--json").stdout)
    assert as_json["counts"]["queued"] == 1
    assert as_json["cases"][0]["revisions"] == 2
    assert_mistake(run_cli("cases", "remove", project, case_id), "add --yes")
    assert_mistake(run_cli("cases", "remove", project, case_id, "case-0000000000", "--yes"), "no case")
    assert len(Project.open(project).cases()) == 1
    assert run_cli("cases", "remove", project, case_id, "--yes").stdout == f"{case_id}\tremoved\n"
    assert Project.open(project).cases() == []


def test_damaged_case_is_told_in_the_list(run_cli, project: Path, files: SimpleNamespace) -> None:
    case_id = add(run_cli, project, files)
    (project / "cases" / case_id / "case.json").write_text("{")
    assert "damaged" in run_cli("cases", "list", project).stderr
    assert "damaged" in run_cli("project", "show", project).stdout


def test_folders_of_scans_are_added_to_the_pool(run_cli, project: Path, files: SimpleNamespace) -> None:
    result = run_cli("cases", "add", project, files.folder)
    assert len(result.stdout.splitlines()) == 5
    assert "shifted.nii.gz: The same image is in the project already" in result.stderr
    assert {case.state for case in Project.open(project).cases()} == {"unlabeled"}
    again = run_cli("cases", "add", project, files.folder, "--json")
    assert again.returncode == 2
    assert len(json.loads(again.stdout)["failed"]) == 6
    assert again.stderr.startswith("6 of 6 images were not imported:")
    assert "Jane" not in "".join(path.read_text(encoding="utf-8") for path in project.rglob("*.json"))


@pytest.mark.parametrize(
    "options", [("--reviewed", "1"), ("--proposal", "p.nii.gz"), ("--model", "m"), ("--allow-empty",)]
)
def test_option_about_a_label_map_needs_one(run_cli, assert_mistake, project: Path, files, options) -> None:
    assert_mistake(run_cli("cases", "add", project, files.scan, *options), options[0], "--label")


def test_one_label_map_is_for_one_scan(run_cli, assert_mistake, project: Path, files: SimpleNamespace) -> None:
    assert_mistake(run_cli("cases", "add", project, files.scan, files.scan, "--label", files.label), "given 2 scans")


def test_ctrl_c_keeps_what_was_added_until_then(
    run_cli, project: Path, files: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    plain = Project.add_case

    def add_and_interrupt(self: Project, *arguments, **options):
        signal.raise_signal(signal.SIGINT)
        return plain(self, *arguments, **options)

    monkeypatch.setattr(Project, "add_case", add_and_interrupt)
    result = run_cli("cases", "add", project, files.folder)
    assert result.returncode == 130
    assert "the 1 scans imported until then stay" in result.stderr
    assert len(Project.open(project).cases()) == 1


def test_project_is_shown_and_checked(run_cli, project: Path, files: SimpleNamespace) -> None:
    case_id = add(run_cli, project, files)
    shown = run_cli("project", "show", project).stdout.splitlines()
    assert "queued: 1" in shown
    assert "model in use: none of the project" in shown
    assert json.loads(run_cli("project", "show", project, "--json").stdout)["counts"]["queued"] == 1
    assert run_cli("project", "check", project).stdout == "1 cases, 0 problems.\n"
    (project / "cases" / case_id / "image.nii.gz").unlink()
    found = run_cli("project", "check", project, "--json")
    assert found.returncode == 2
    assert "is missing" in json.loads(found.stdout)["problems"][0]
    assert "is missing" in run_cli("project", "check", project).stdout


def test_label_table_is_changed_and_values_stay(run_cli, assert_mistake, project: Path) -> None:
    def table(*arguments: object) -> list[str]:
        result = run_cli("project", "labels", arguments[0], project, *arguments[1:])
        assert result.returncode == 0, result.stderr
        return result.stdout.splitlines()

    assert table("list") == ["2\tCord", "5\tLarynx"]
    assert table("remove", 2) == ["5\tLarynx"]
    assert table("add", "Tumor", "--color", 1, 2, 3) == ["5\tLarynx", "6\tTumor"]
    assert table("rename", 5, "Voice box") == ["5\tVoice box", "6\tTumor"]
    assert table("add", "Cord") == ["5\tVoice box", "6\tTumor", "2\tCord"]
    assert table("reorder", 2, 5, 6) == ["2\tCord", "5\tVoice box", "6\tTumor"]
    assert Project.open(project).labels.values == (2, 5, 6)
    assert_mistake(run_cli("project", "labels", "rename", project, "3", "x"), "no value 3")
