"""What the worker says about unsure places, and what it learns from corrected slices: a real process each."""

from __future__ import annotations

import shutil
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from VQSegLib import wire
from VQSegLib.image_files import load_volume
from VQSegLib.inference.uncertainty import UncertaintyEstimator
from VQSegLib.models.checkpoint import load_checkpoint
from VQSegLib.scan_service import ScanService
from VQSegLib.service_results import SegmentedVolume
from VQSegLib.volume import Volume
from VQSegLib.wire import WireArray
from VQSegLib.wire_client import BlockingClient, RequestFailed
from VQSegLib.worker.job import Job
from VQSegLib.worker.scan_requests import ScanRequests
from VQSegLib.worker.volumes import ReceivedVolume, VolumeStore
from worker_process import ROOT, paste, send, to_label_map

CT = ROOT / "Testing" / "data" / "ct-64.nrrd"


@pytest.fixture(scope="module")
def ct() -> Volume:
    return load_volume(CT)


@pytest.fixture
def asked(worker: BlockingClient, ct: Volume, tiny_model: Path) -> dict[str, Any]:
    """Parameters of a request about a real CT that the worker has received."""
    return {"volume": send(worker, ct.array, ct.affine_ijk_to_ras.tolist()), "model": str(tiny_model), "device": "cpu"}


def to_labels(label_map: np.ndarray) -> list[dict[str, Any]]:
    """Return the whole label map as a client may send it: every label with the whole extent."""
    k, j, i = (side - 1 for side in label_map.shape)
    return [
        {
            "value": int(value),
            "extent_ijk": [0, i, 0, j, 0, k],
            "array": WireArray.from_numpy((label_map == value).astype(np.uint8)),
        }
        for value in np.unique(label_map)
        if value
    ]


def test_unsure_places_are_those_of_the_library(
    worker: BlockingClient, asked: dict[str, Any], ct: Volume, tiny_model: Path
) -> None:
    answer = worker.request("uncertainty", {**asked, "samples": 3})
    expected = UncertaintyEstimator(load_checkpoint(tiny_model), samples=3, device="cpu").estimate(ct)
    for name, volume in (("entropy", expected.entropy), ("disagreement", expected.disagreement)):
        counts = paste(answer[name], np.zeros(ct.shape_kji, np.uint8))
        assert counts.max() == 255
        # Half a step, and what the two processes round apart.
        np.testing.assert_allclose(counts * answer[name]["step"], volume.array, atol=0.6 * answer[name]["step"] + 2e-3)
    assert answer["samples"] == expected.samples
    assert [one["index_k"] for one in answer["slices"]][:5] == [one.index for one in expected.slices][:5]
    region, first = answer["regions"][0], expected.regions[0]
    assert (region["label"], region["center_ijk"]) == (first.value, list(first.center_ijk))
    assert region["voxels"] == pytest.approx(first.volume_mm3 / np.prod(ct.spacing_mm_kji), rel=1e-3)
    assert {"Segmenting", "Perturbing codes"} <= answer["seconds_by_stage"].keys()


def test_outside_the_region_of_interest_nothing_is_unsure(worker: BlockingClient, asked: dict[str, Any]) -> None:
    roi = {"start_kji": [10, 12, 14], "stop_kji": [20, 40, 50]}
    answer = worker.request("uncertainty", {**asked, "samples": 2, "roi": roi})
    i0, i1, j0, j1, k0, k1 = answer["entropy"]["extent_ijk"]
    assert (i0 >= 14, j0 >= 12, k0 >= 10, i1 < 50, j1 < 40, k1 < 20) == (True,) * 6


def test_corrected_slices_come_back_as_drawn_and_the_others_learn(
    worker: BlockingClient, asked: dict[str, Any], ct: Volume, tiny_model: Path
) -> None:
    hash_before = sha256(tiny_model.read_bytes()).digest()
    proposal = to_label_map(worker.request("segment", asked), ct.shape_kji)
    drawn = np.where(ct.array > 200, 5, 0).astype(np.uint8)
    slices_k = [30, 20, 40]
    stages: list[str] = []
    answer = worker.request(
        "refine",
        {**asked, "labels": to_labels(drawn), "slices_k": slices_k},
        lambda note: stages.append(note.params["stage"]),
    )
    refined = to_label_map(answer, ct.shape_kji)
    np.testing.assert_array_equal(refined[slices_k], drawn[slices_k])
    assert answer["slices_k"] == sorted(slices_k)
    others = np.setdiff1d(np.arange(len(drawn)), slices_k)
    assert np.mean(refined[others] == drawn[others]) > np.mean(proposal[others] == drawn[others])
    assert "Learning from corrections" in stages
    assert sha256(tiny_model.read_bytes()).digest() == hash_before
    np.testing.assert_array_equal(to_label_map(worker.request("segment", asked), ct.shape_kji), proposal)


def test_a_slice_that_was_emptied_teaches_that_nothing_is_there(
    worker: BlockingClient, asked: dict[str, Any], ct: Volume
) -> None:
    proposal = to_label_map(worker.request("segment", asked), ct.shape_kji)
    sizes = np.count_nonzero(proposal, axis=(1, 2))
    middle = int(sizes.argmax())
    answer = worker.request("refine", {**asked, "labels": [], "slices_k": [middle]})
    refined = to_label_map(answer, ct.shape_kji)
    assert not refined[middle].any()
    assert np.count_nonzero(refined) < np.count_nonzero(proposal) - sizes[middle]


def test_a_refinement_knows_what_the_same_model_answered_before(ct: Volume, tiny_model: Path, tmp_path: Path) -> None:
    """What a person erased far from all other structures can only be seen beside the answer."""
    proposals = []

    class Recorder(ScanService):
        def refine_volume(self, *arguments: Any, proposal: Volume | None = None, **options: Any) -> SegmentedVolume:
            proposals.append(proposal)
            return super().refine_volume(*arguments, proposal=proposal, **options)

    other = tmp_path / "other.safetensors"
    shutil.copyfile(tiny_model, other)
    volumes = VolumeStore()
    received = ReceivedVolume(ct.shape_kji, ct.affine_ijk_to_ras, ct.array.dtype.str)
    received.put(0, ct.array)
    asked = {"volume": volumes.open(received), "device": "cpu"}
    corrections = {"labels": to_labels(np.where(ct.array > 200, 5, 0)), "slices_k": [20]}

    def ask(method: str, model: Path, **more: Any) -> dict[str, Any]:
        job = Job(wire.Request(1, method, {}), lambda _: None)
        return ScanRequests(Recorder(), volumes).long[method]({**asked, "model": str(model), **more})(job)

    segmented = ask("segment", tiny_model)
    refined = ask("refine", tiny_model, **corrections)
    ask("refine", tiny_model, **corrections)
    ask("refine", other, **corrections)
    for proposal, answer in zip(proposals, (segmented, refined), strict=False):
        np.testing.assert_array_equal(proposal.array, to_label_map(answer, ct.shape_kji))
    assert proposals[2] is None


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"slices_k": []}, wire.USER_ERROR, "no corrected slice"),
        ({"slices_k": [999]}, wire.USER_ERROR, "999 is not in the scan"),
        ({"slices_k": [-1]}, wire.INVALID_PARAMS, "slices_k"),
        ({"labels": to_labels(np.full((64, 64, 64), 3, np.uint8))}, wire.USER_ERROR, "label value 3"),
        ({"labels": to_labels(np.full((64, 64, 65), 5, np.uint8))}, wire.USER_ERROR, "must fit both"),
        ({"model": "nix"}, wire.USER_ERROR, "no model"),
        ({"device": "tpu"}, wire.USER_ERROR, "Unknown device"),
    ],
)
def test_wrong_corrections_are_one_sentence(
    worker: BlockingClient, asked: dict[str, Any], change: dict[str, Any], code: int, words: str
) -> None:
    with pytest.raises(RequestFailed, match=words) as failed:
        worker.request("refine", {**asked, "labels": [], "slices_k": [3], **change})
    assert failed.value.code == code
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("samples", [0, 65])
def test_a_wrong_number_of_samples_is_one_sentence(worker: BlockingClient, asked: dict[str, Any], samples: int) -> None:
    with pytest.raises(RequestFailed, match="samples") as failed:
        worker.request("uncertainty", {**asked, "samples": samples})
    assert failed.value.code == wire.INVALID_PARAMS


@pytest.mark.parametrize("method", ["uncertainty", "refine"])
def test_cancel_is_answered_at_once_on_a_real_sized_scan(worker: BlockingClient, tiny_model: Path, method: str) -> None:
    array = np.random.default_rng(5).integers(-1000, 1000, (60, 512, 512), dtype=np.int16)
    request = {"volume": send(worker, array), "model": str(tiny_model)}
    if method == "refine":
        request |= {"labels": to_labels((array > 500) * np.uint8(5)), "slices_k": [20, 40]}
    for delay in (0.0, 0.5, 2.0):
        number = worker.start(method, request)
        time.sleep(delay)
        began = time.monotonic()
        worker.cancel(number)
        with pytest.raises(RequestFailed) as failed:
            worker.wait(number)
        assert failed.value.code == wire.CANCELLED
        assert time.monotonic() - began < 1.0
    small = {"volume": request["volume"], "model": str(tiny_model)}
    roi = {"start_kji": [0, 0, 0], "stop_kji": [2, 64, 64]}
    assert worker.request("segment", {**small, "roi": roi})["labels"]
    worker.request("volume/close", {"volume": request["volume"]})
