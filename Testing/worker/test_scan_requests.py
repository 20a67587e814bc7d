"""What the worker finds in a scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from VQSegLib import wire
from VQSegLib.wire_client import BlockingClient, RequestFailed
from worker_process import send, start, to_label_map


def test_library_command_line_and_worker_give_the_same_label_map(
    run_process, scan: Path, tiny_model: Path, tmp_path: Path
) -> None:
    import torch

    from VQSegLib.image_files import load_label_map, load_volume
    from VQSegLib.inference.predictor import Predictor
    from VQSegLib.models.checkpoint import load_checkpoint

    image, output, threads = load_volume(scan), tmp_path / "labels.nii.gz", str(torch.get_num_threads())
    library = Predictor(load_checkpoint(tiny_model)).predict(image).label_map.array
    done = run_process("segment", scan, "--model", tiny_model, "--output", output, OMP_NUM_THREADS=threads)
    assert done.returncode == 0, done.stderr
    # Slicer may hold a CT as float64; what is stored in fewer bytes must give the same.
    with start(OMP_NUM_THREADS=threads) as worker:
        for array in (image.array, image.array.astype(np.float64)):
            volume = send(worker, array, image.affine_ijk_to_ras.tolist())
            answer = worker.request("segment", {"volume": volume, "model": str(tiny_model)})
            np.testing.assert_array_equal(to_label_map(answer, image.shape_kji), library)
            worker.request("volume/close", {"volume": volume})
    np.testing.assert_array_equal(load_label_map(output).array, library)
    assert len(np.unique(library)) > 1


def test_segment_answers_in_full(worker: BlockingClient, small: str, tiny_model: Path) -> None:
    stages: list[str] = []
    request = {"volume": small, "model": str(tiny_model), "device": "cpu"}
    answer = worker.request("segment", request, lambda note: stages.append(note.params["stage"]))
    assert [label["name"] for label in answer["labels"]] == ["Cord", "Larynx"]
    assert {"value", "name", "color", "category", "type", "modifier"} <= set(answer["labels"][0])
    assert (answer["device"], answer["notes"]) == ("cpu", [])
    assert answer["precision"] in ("float32", "bfloat16")
    assert answer["seconds"] > 0
    assert "Segmenting" in answer["seconds_by_stage"]
    assert stages[-1] == "Done"


def test_outside_the_region_of_interest_nothing_is_found(worker: BlockingClient, small: str, tiny_model: Path) -> None:
    roi = {"start_kji": [1, 4, 5], "stop_kji": [3, 12, 9]}
    answer = worker.request("segment", {"volume": small, "model": str(tiny_model), "roi": roi})
    found = [label for label in answer["labels"] if label["extent_ijk"] is not None]
    assert found
    for label in found:
        i0, i1, j0, j1, k0, k1 = label["extent_ijk"]
        assert (k0 >= 1, j0 >= 4, i0 >= 5, k1 < 3, j1 < 12, i1 < 9) == (True,) * 6


def test_a_label_that_is_not_there_has_no_array(worker: BlockingClient, tiny_model: Path) -> None:
    volume = send(worker, np.full((3, 3, 3), -1000, np.int16))
    labels = worker.request("segment", {"volume": volume, "model": str(tiny_model)})["labels"]
    missing = [label for label in labels if label["voxels"] == 0]
    assert missing
    assert all(label["extent_ijk"] is None and "array" not in label for label in missing)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"model": "nix"}, "no model"), ({"device": "tpu"}, "Unknown device"), ({"roi": [[9] * 3, [10] * 3]}, "outside")],
)
def test_a_wrong_segment_request_is_one_sentence(
    worker: BlockingClient, small: str, tiny_model: Path, change: dict[str, Any], words: str
) -> None:
    if "roi" in change:
        change = {"roi": {"start_kji": change["roi"][0], "stop_kji": change["roi"][1]}}
    with pytest.raises(RequestFailed, match=words) as failed:
        worker.request("segment", {"volume": small, "model": str(tiny_model), **change})
    assert failed.value.code == wire.USER_ERROR
