"""A full disk and a folder nobody may write to: one sentence, nothing half written, and reading goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from VQSegLib.errors import UserError
from VQSegLib.project.case_files import load_case_image
from VQSegLib.project.check import check_project
from VQSegLib.project.folder import Project
from VQSegLib.project.hashes import hash_voxels
from VQSegLib.project.review import Review
from VQSegLib.volume import Volume

ROOT = Path(__file__).parents[2]
LIMITED = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import numpy as np
from VQSegLib.errors import UserError
from VQSegLib.project.folder import Project
from VQSegLib.project.hashes import hash_voxels
from VQSegLib.project.review import Review
from VQSegLib.volume import Volume
project = Project.open(Path(sys.argv[2]))
rng = np.random.default_rng(1)
image = Volume(rng.integers(-1000, 1000, (20, 64, 64), dtype=np.int16), np.eye(4))
label = Volume(rng.integers(0, 2, (20, 64, 64), dtype=np.uint8), np.eye(4))
case_id = sys.argv[3]
for limit in (0, 1, 100, 1000, 5000, 20_000, 60_000, 120_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for attempt in (
        lambda: project.add_case(image, label, review=Review(proposal=label)),
        lambda: project.revise_case(case_id, label, Review()),
        lambda: project.exclude_case(case_id),
    ):
        try:
            attempt()
            sys.stdout.write("done\\n")
        except UserError as refused:
            sys.stdout.write(f"refused {refused}\\n")
"""
posix_only = pytest.mark.skipif(os.name == "nt", reason="limits the size of files as POSIX does")


@pytest.fixture
def filled(project: Project) -> tuple[Project, str]:
    """A project with one case, and its id."""
    array = np.random.default_rng(0).integers(-1000, 1000, (20, 64, 64), dtype=np.int16)
    image = Volume(array, np.eye(4))
    return project, project.add_case(image, image.with_array((array > 0).astype(np.uint8))).case_id


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "small disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["mount", "-o", "remount,rw", str(folder)], capture_output=True, check=False)
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=True)


def assert_whole(project: Project) -> None:
    """Assert that every scan is the one that was added, not only the file that was written."""
    for record in project.cases():
        assert hash_voxels(project.load_image(record.case_id).array) == record.image.voxel_sha256
        for revision in record.labels:
            label = project.load_label(record.case_id, revision.revision)
            assert hash_voxels(label.array) == revision.voxel_sha256
    assert check_project(project).problems == ()


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
        if path.name != ".lock"
    }


@posix_only
def test_file_that_does_not_fit_is_one_sentence_and_leaves_nothing(filled: tuple[Project, str]) -> None:
    project, case_id = filled
    before = contents(project.path)
    command = [sys.executable, "-c", LIMITED, str(ROOT), str(project.path), case_id]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    lines = result.stdout.splitlines()
    assert len(lines) == 24
    assert lines[:9] == [line for line in lines[:9] if line.startswith("refused Nothing was changed: ")]
    assert all("check free space" in line for line in lines if line.startswith("refused Nothing"))
    assert lines[-1] == "done"
    after = contents(project.path)
    assert {name for name in after if ".vqseg-" in name} == set()
    assert before.keys() <= after.keys()
    assert_whole(Project.open(project.path))


@posix_only
def test_disk_that_fills_up_is_one_sentence_and_leaves_nothing(small_disk: Path, table) -> None:
    project = Project.create(small_disk / "project", table)
    rng, refused, added = np.random.default_rng(0), [], 0
    for _ in range(30):
        array = rng.integers(-1000, 1000, (10, 64, 64), dtype=np.int16)
        image = Volume(array, np.eye(4))
        try:
            project.add_case(image, image.with_array((array > 0).astype(np.uint8)))
            added += 1
        except UserError as error:
            refused.append(str(error))
    assert added >= 5
    assert len(refused) > 10
    assert all(sentence.startswith("Nothing was changed: ") for sentence in refused)
    opened = Project.open(project.path)
    assert opened.repairs == ()
    assert len(opened.cases()) == added
    assert_whole(opened)
    assert [name for name in contents(project.path) if ".vqseg-" in name] == []


@posix_only
def test_read_only_project_is_read_and_every_change_is_refused(small_disk: Path, table, tiny_model: Path) -> None:
    project = Project.create(small_disk / "project", table)
    image = Volume(np.random.default_rng(0).integers(-1000, 1000, (4, 8, 8), dtype=np.int16), np.eye(4))
    label = image.with_array(np.ones((4, 8, 8), np.uint8))
    case_id = project.add_case(image, label).case_id
    model_id = project.models.add(tiny_model)
    (project.path / "cases" / ".vqseg-00000000-1-1-00000000").mkdir()
    os.utime(project.path / "cases" / ".vqseg-00000000-1-1-00000000", (0, 0))
    (project.path / "runs").rmdir()
    before = contents(project.path)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    opened = Project.open(project.path)
    assert opened.repairs == ()
    record = opened.case(case_id)
    np.testing.assert_array_equal(load_case_image(opened.case_folder(case_id), record).array, image.array)
    other = image.with_array(image.array + 1)
    for attempt in (
        lambda: opened.add_case(other, label),
        lambda: opened.revise_case(case_id, label, Review(reviewed_slices=(0,))),
        lambda: opened.exclude_case(case_id),
        lambda: opened.remove_case(case_id),
        lambda: opened.change_document(lambda document: document),
        lambda: (
            opened.models.add(tiny_model.with_name("tiny.safetensors")) and opened.models.promote(model_id, rule="")
        ),
        lambda: Project.create(small_disk / "another", table),
    ):
        with pytest.raises(UserError, match="Read-only file system") as refused:
            attempt()
        assert "\n" not in str(refused.value)
    assert contents(project.path) == before
