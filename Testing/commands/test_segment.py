"""`vqseg segment` through real processes: what it writes, and what it refuses without writing anything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from VQSegLib.image_files import load_volume

ROOT = Path(__file__).resolve().parents[2]


def _names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_label_map_lies_in_the_geometry_of_the_scan(run_process, tiny_model: Path, scan: Path) -> None:
    output = scan.with_name("Ergebnis ö.nrrd")
    result = run_process("segment", scan, "--model", tiny_model, "--output", output, "--json")
    assert result.returncode == 0, result.stderr
    label_map = load_volume(output)
    assert label_map.has_geometry_of(load_volume(scan))
    answer = json.loads(result.stdout)
    assert answer["output"] == str(output)
    assert [label["name"] for label in answer["labels"]] == ["Cord", "Larynx"]
    for label in answer["labels"]:
        voxels = int((label_map.array == label["value"]).sum())
        assert label["voxels"] == voxels
        assert label["volume_ml"] == pytest.approx(voxels * 3.0 * 1.5 * 1.5 / 1000, abs=1e-3)
    assert _names(scan.parent) == ["Ergebnis ö.nrrd", "scan.nii.gz"]


def test_command_line_and_library_give_the_same_label_map(run_cli, tiny_model: Path, scan: Path) -> None:
    from VQSegLib.inference.predictor import Predictor
    from VQSegLib.models.checkpoint import load_checkpoint

    output = scan.with_name("out.nii.gz")
    result = run_cli("segment", scan, "--model", tiny_model, "--output", output, "--device", "cpu")
    assert result.returncode == 0
    expected = Predictor(load_checkpoint(tiny_model), device="cpu").predict(load_volume(scan)).label_map
    np.testing.assert_array_equal(load_volume(output).array, expected.array)
    assert "Cord" in result.stdout
    assert "model 'tiny' on cpu" in result.stdout


def test_missing_scan_is_refused(run_process, assert_mistake, tiny_model: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.nii.gz"
    result = run_process("segment", "no_such_file.nii.gz", "--model", tiny_model, "--output", output)
    assert_mistake(result, "no_such_file.nii.gz")
    assert _names(tmp_path) == []


def test_text_file_with_an_image_ending_is_refused(run_process, assert_mistake, tiny_model: Path, scan: Path) -> None:
    text = scan.with_name("text.nii.gz")
    text.write_text("this is not an image\n" * 30)
    result = run_process("segment", text, "--model", tiny_model, "--output", scan.with_name("out.nii.gz"))
    assert_mistake(result, "text.nii.gz")
    assert _names(scan.parent) == ["scan.nii.gz", "text.nii.gz"]


@pytest.mark.parametrize("place", [0.2, 0.9], ids=["card", "weights"])
def test_model_with_one_changed_byte_is_refused(
    run_process, assert_mistake, tiny_model: Path, scan: Path, place: float
) -> None:
    content = bytearray(tiny_model.read_bytes())
    content[int(len(content) * place)] ^= 1
    changed = scan.with_name("changed.safetensors")
    changed.write_bytes(content)
    result = run_process("segment", scan, "--model", changed, "--output", scan.with_name("out.nii.gz"))
    assert_mistake(result, "changed.safetensors")
    assert _names(scan.parent) == ["changed.safetensors", "scan.nii.gz"]


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("missing folder/out.nii.gz", "does not exist"),
        ("out.png", ".nrrd"),
        ("out", ".nii.gz"),
        ("folder.nii.gz", "is a folder"),
        ("there.nii.gz", "--overwrite"),
        ("scan.nii.gz", "input itself"),
    ],
)
def test_output_that_cannot_be_written_is_refused(
    run_cli, assert_mistake, tiny_model: Path, scan: Path, output: str, words: str
) -> None:
    scan.with_name("there.nii.gz").write_text("older result")
    scan.with_name("folder.nii.gz").mkdir()
    before = scan.read_bytes()
    result = run_cli("segment", scan, "--model", tiny_model, "--output", scan.parent / output)
    assert_mistake(result, words)
    assert scan.read_bytes() == before
    assert scan.with_name("there.nii.gz").read_text() == "older result"
    assert _names(scan.parent) == ["folder.nii.gz", "scan.nii.gz", "there.nii.gz"]


def test_scan_is_never_overwritten_even_when_asked(run_cli, assert_mistake, tiny_model: Path, scan: Path) -> None:
    result = run_cli("segment", scan, "--model", tiny_model, "--output", scan, "--overwrite")
    assert_mistake(result, "input itself")


def test_existing_output_is_replaced_when_asked(run_cli, tiny_model: Path, scan: Path) -> None:
    output = scan.with_name("out.nii.gz")
    output.write_text("older result")
    result = run_cli("segment", scan, "--model", tiny_model, "--output", output, "--overwrite")
    assert result.returncode == 0
    assert load_volume(output).has_geometry_of(load_volume(scan))


def test_unknown_device_is_refused(run_cli, assert_mistake, tiny_model: Path, scan: Path) -> None:
    output = scan.with_name("out.nii.gz")
    result = run_cli("segment", scan, "--model", tiny_model, "--output", output, "--device", "abacus")
    assert_mistake(result, "abacus")
    assert not output.exists()


def test_unknown_model_is_refused(run_cli, assert_mistake, scan: Path) -> None:
    result = run_cli("segment", scan, "--model", "no-such-model", "--output", scan.with_name("out.nii.gz"))
    assert_mistake(result, "no-such-model")


SLOW_PREDICTOR = """
import sys, time
from VQSegLib.cli import main
from VQSegLib.inference.progress import Progress

advance = Progress.advance

def advance_slowly(self, *fractions):
    print("working", flush=True)
    time.sleep(0.2)
    advance(self, *fractions)

Progress.advance = advance_slowly
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl-C to a single child process")
def test_ctrl_c_stops_and_leaves_nothing(tiny_model: Path, scan: Path) -> None:
    arguments = ["segment", str(scan), "--model", str(tiny_model), "--output", str(scan.with_name("out.nii.gz"))]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_PREDICTOR, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "working\n"
    process.send_signal(signal.SIGINT)
    _, sentence = process.communicate(timeout=60)
    assert process.returncode == 130, sentence
    assert "Stopped" in sentence.splitlines()[-1]
    assert _names(scan.parent) == ["scan.nii.gz"]
