"""A worker without a network: speaks the real protocol over stdin and stdout, answers by thresholds.

Label 2 is everything above 500, label 5 everything below -500, label 7 is never found. Options say how it behaves:
``--slow`` takes its time, ``--deaf`` does not hear ``cancel``, ``--noisy`` prints between messages, ``--organs`` finds
the head-and-neck structures as bands of slices, for pictures of the panel. It is unsure where something is, by half for
label 2 and wholly for label 5; ``--sure`` is sure everywhere, ``--plain`` knows no disagreement. A refinement finds the
same, but one column further to the right; ``--stubborn`` does so on corrected slices, too. ``--old`` cannot do either.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fake_projects import PROJECT_METHODS, FakeProjects
from fake_runs import RUN_METHODS, FakeRuns

from VQSegLib.wire import CANCELLED, PROTOCOL, USER_ERROR, Failure, Notification, Request, Result, WireArray, encode
from VQSegLib.wire_decoder import Decoder

LABELS = [
    {
        "value": 2,
        "name": "Dense",
        "color": [255, 0, 0],
        "category": {"scheme": "SCT", "value": "123037004", "meaning": "Anatomical Structure"},
        "type": {"scheme": "SCT", "value": "272673000", "meaning": "Bone"},
        "modifier": None,
    },
    {"value": 5, "name": "Airy", "color": [0, 255, 0], "category": None, "type": None, "modifier": None},
    {"value": 7, "name": "Nowhere", "color": [0, 0, 255], "category": None, "type": None, "modifier": None},
]
MODEL = {
    "id": "fake",
    "name": "Thresholds",
    "description": "Two thresholds.",
    "labels": LABELS,
    "path_name": "fake.bin",
}
SCORES = {"split": "validation", "cases": 4, "mean": {"dice": 0.87}, "per_label": {}}

SLOW_STEPS = 15


class Worker(FakeProjects, FakeRuns):
    """Answers requests in the order they come; a slow segmentation runs in a thread."""

    def __init__(self, options: list[str]) -> None:
        FakeProjects.__init__(self)
        FakeRuns.__init__(self)
        self.options = options
        self.volumes: dict[str, np.ndarray] = {}
        self.cancelled: set[int] = set()
        self.opened = 0
        self._lock = threading.Lock()

    def send(self, message: Any) -> None:
        """Write a message."""
        with self._lock:
            for buffer in encode(message):
                sys.stdout.buffer.write(buffer)
            sys.stdout.buffer.flush()

    def receive(self, message: Any) -> None:
        """Answer a message."""
        if isinstance(message, Notification):
            if message.method == "cancel" and "--deaf" not in self.options:
                self.cancelled.add(message.params["id"])
        elif message.method in ("segment", "uncertainty", "refine"):
            threading.Thread(target=self.work, args=(message,), daemon=True).start()
        elif hasattr(self, "answer_" + message.method.replace("/", "_")):
            threading.Thread(target=self.work_on_project, args=(message,), daemon=True).start()
        else:
            answer = getattr(self, message.method.replace("/", "_"), None)
            self.send(answer(message) if answer else Failure(message.id, -32601, "Unknown."))

    def initialize(self, request: Request) -> Result:
        """Say who this is."""
        if "--noisy" in self.options:
            print("a library says hello", flush=True)
        devices = [{"id": "cpu", "name": "Slow processor", "memory_bytes": 8 << 30}]
        host = os.environ.get("FAKE_HOST", "")
        device = {"default": "cpu", "available": devices}
        about = {"protocol": PROTOCOL, "version": "0.fake", "python": "3", "host": host, "device": device}
        able = ["segment", "uncertainty", "refine", *PROJECT_METHODS, *RUN_METHODS]
        able = able[:1] if "--old" in self.options else able
        return Result(request.id, {**about, "capabilities": able})

    def models_list(self, request: Request) -> Result:
        """List one good and one damaged model."""
        broken = {
            "id": "broken",
            "name": "Damaged",
            "labels": [],
            "problem": "The file 'b.bin' is damaged; copy it again.",
        }
        good = {**MODEL, "validation": SCORES, "problem": None}
        if "--organs" in self.options:
            good.update(name="Head and neck", description="Organs at risk in planning CT.", labels=organs())
        return Result(request.id, {"models": [good, {**broken, "path_name": "b.bin"}]})

    def models_show(self, request: Request) -> Any:
        """Show the card of any path that has a name; others do not exist."""
        path = request.params["model"]
        if "missing" in path:
            return Failure(request.id, USER_ERROR, f"There is no model '{path}'; choose another file.")
        labels = organs() if "--organs" in self.options else LABELS
        name = self.model_names().get(Path(path).stem, "From file")
        card = {"name": name, "description": "", "labels": {"labels": labels}, "validation": None}
        return Result(request.id, {"card": card})

    def summary(self, path: str) -> dict[str, Any]:
        """Return what ``projects/open`` answers."""
        summary = super().summary(path)
        self.recall()
        return {**summary, "active_model": summary["active_model"] and self.active_model()}

    def volume_open(self, request: Request) -> Result:
        """Make room for a scan."""
        geometry = request.params["geometry"]
        name = self.open_volume(np.zeros(geometry["shape_kji"], request.params["dtype"]))
        print("opened", name, geometry["shape_kji"], file=sys.stderr, flush=True)
        return Result(request.id, {"volume": name})

    def open_volume(self, array: np.ndarray) -> str:
        """Keep a scan; return its name."""
        self.opened += 1
        self.volumes[f"volume-{self.opened}"] = array
        return f"volume-{self.opened}"

    def volume_slab(self, request: Request) -> Result:
        """Take slices."""
        slab, start = request.params["array"], request.params["start_k"]
        array = np.frombuffer(slab.data, slab.dtype).reshape(slab.shape)
        self.volumes[request.params["volume"]][start : start + len(array)] = array
        return Result(request.id, {"received_slices": start + len(array)})

    def volume_close(self, request: Request) -> Result:
        """Forget a scan."""
        del self.volumes[request.params["volume"]]
        return Result(request.id, {})

    def volumes_count(self, request: Request) -> Result:
        """Say how many scans are held; for tests only."""
        return Result(request.id, {"count": len(self.volumes)})

    def work(self, request: Request) -> None:
        """Answer a long request, after some progress."""
        print("segmenting for Doe^Jane in /home/doe/scans/ct.nii", file=sys.stderr, flush=True)
        for step in range(SLOW_STEPS if "--slow" in self.options else 2):
            left = None if step == 0 else 3.0
            stage = {"segment": "Segmenting", "uncertainty": "Perturbing", "refine": "Learning"}[request.method]
            told = {"id": request.id, "fraction": step / SLOW_STEPS, "stage": stage, "seconds_left": left}
            self.send(Notification("progress", told))
            time.sleep(0.1 if "--slow" in self.options else 0.0)
            if request.id in self.cancelled:
                self.send(Failure(request.id, CANCELLED, "Stopped as asked; nothing was changed."))
                return
        answers = {"segment": self.answer, "uncertainty": self.answer_uncertainty, "refine": self.answer_refine}
        self.send(answers[request.method](request))

    def answer(self, request: Request) -> Any:
        """Return the answer to `segment`."""
        if request.params["model"] == "fails":
            return Failure(request.id, USER_ERROR, "The scan is no CT; choose a CT.", "values 0..255")
        array = self.volumes[request.params["volume"]]
        inside = np.zeros(array.shape, bool)
        roi = request.params.get("roi")
        stops = zip(roi["start_kji"], roi["stop_kji"], strict=True) if roi else [(0, side) for side in array.shape]
        inside[tuple(slice(start, stop) for start, stop in stops)] = True
        if "--organs" in self.options:
            return self.answer_with_organs(request, array)
        masks = [(array > 500) & inside, (array < -500) & inside, np.zeros(array.shape, bool)]
        labels = [crop(label, mask) for label, mask in zip(LABELS, masks, strict=True)]
        stages = {"Segmenting": 0.1}
        result = {"labels": labels, "seconds": 0.1, "seconds_by_stage": stages, "device": "cpu", "precision": "float32"}
        return Result(request.id, {**result, "notes": ["Memory was short, so windows were halved."]})

    def answer_with_organs(self, request: Request, array: np.ndarray) -> Result:
        """Return one band of slices per structure."""
        table, (slices, rows, columns) = organs(), array.shape
        labels = []
        for label, band in zip(table, np.array_split(np.arange(slices), len(table)), strict=True):
            mask = np.ones((len(band), rows - 4, columns - 4), np.uint8)
            extent = [2, columns - 3, 2, rows - 3, int(band[0]), int(band[-1])]
            labels.append({**label, "voxels": mask.size, "extent_ijk": extent, "array": WireArray.from_numpy(mask)})
        stages = {"Preparing the scan": 0.4, "Segmenting": 6.1}
        result = {"labels": labels, "seconds": 6.5, "seconds_by_stage": stages, "device": "cpu", "precision": "float32"}
        return Result(request.id, {**result, "notes": []})

    def answer_uncertainty(self, request: Request) -> Result:
        """Return the answer to `uncertainty`: 0.35 nats where label 2 is, 0.69 where label 5 is."""
        array = self.volumes[request.params["volume"]]
        counts = np.zeros(array.shape, np.uint8)
        if "--organs" in self.options:
            counts[:, 4:-4, 4:-4] = np.linspace(20, 90, len(array), dtype=np.uint8)[:, None, None]
        elif "--sure" not in self.options:
            counts[array > 500], counts[array < -500] = 35, 69
        disagreement = None if "--plain" in self.options else crop_map(counts // 2, 0.01)
        sums = counts.sum(axis=(1, 2), dtype=float)
        slices = [{"index_k": int(k), "score": sums[k]} for k in np.argsort(-sums, kind="stable") if sums[k]]
        table = organs() if "--organs" in self.options else LABELS[1::-1]
        regions = [region(counts, label, number) for number, label in enumerate(table)] if counts.any() else []
        stages = {"Perturbing codes": 0.1}
        result = {"slices": slices, "regions": regions, "seconds": 0.1, "seconds_by_stage": stages, "device": "cpu"}
        maps = {"entropy": crop_map(counts, 0.01), "disagreement": disagreement, "samples": request.params["samples"]}
        return Result(request.id, {**maps, **result, "precision": "float32", "notes": []})

    def answer_refine(self, request: Request) -> Any:
        """Return the answer to `refine`: the segmentation one column further, corrected slices as sent."""
        plain = self.answer(request)
        shape, slices = self.volumes[request.params["volume"]].shape, request.params["slices_k"]
        sent = {label["value"]: label for label in request.params["labels"]}
        labels = []
        for label in plain.result["labels"]:
            mask = np.roll(paste(label, shape), 1, axis=2)
            if "--stubborn" not in self.options:
                mask[slices] = paste(sent.get(label["value"], {}), shape)[slices]
            labels.append(crop({key: value for key, value in label.items() if key != "array"}, mask))
        return Result(request.id, {**plain.result, "labels": labels, "slices_k": slices, "notes": []})


def paste(label: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    """Return a label's cropped mask as a whole volume."""
    mask = np.zeros(shape, bool)
    if label.get("array") is not None:
        i0, i1, j0, j1, k0, k1 = label["extent_ijk"]
        array = label["array"]
        mask[k0 : k1 + 1, j0 : j1 + 1, i0 : i1 + 1] = np.frombuffer(array.data, array.dtype).reshape(array.shape) != 0
    return mask


def crop_map(counts: np.ndarray, step: float) -> dict[str, Any]:
    """Return a map cropped to where it is not 0."""
    cropped = crop({}, counts)
    if cropped["extent_ijk"] is None:
        return {"extent_ijk": None, "step": step}
    i0, i1, j0, j1, k0, k1 = cropped["extent_ijk"]
    part = np.ascontiguousarray(counts[k0 : k1 + 1, j0 : j1 + 1, i0 : i1 + 1])
    return {"extent_ijk": cropped["extent_ijk"], "array": WireArray.from_numpy(part), "step": step}


def region(counts: np.ndarray, label: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a region of the ranking: the most unsure voxels but ``number`` kinds."""
    values = np.unique(counts[counts > 0])
    hits = np.argwhere(counts == values[max(0, len(values) - 1 - number)])
    (k, j, i), (k0, j0, i0), (k1, j1, i1) = hits[len(hits) // 2].tolist(), hits.min(axis=0), hits.max(axis=0)
    extent = [int(value) for value in (i0, i1, j0, j1, k0, k1)]
    score = 400.0 / (1 + number)
    return {"label": label["value"], "center_ijk": [i, j, k], "extent_ijk": extent, "voxels": len(hits), "score": score}


def organs() -> list[dict[str, Any]]:
    """Return the shipped label table."""
    path = Path(__file__).resolve().parents[2] / "Resources" / "labels" / "openkbp_head_neck.json"
    empty = {"category": None, "type": None, "modifier": None}
    return [{**empty, **label} for label in json.loads(path.read_text(encoding="utf-8"))["labels"]]


def crop(label: dict[str, Any], mask: np.ndarray) -> dict[str, Any]:
    """Return a label with its cropped mask."""
    hits = np.argwhere(mask)
    if not len(hits):
        return {**label, "voxels": 0, "extent_ijk": None}
    (k0, j0, i0), (k1, j1, i1) = hits.min(axis=0).tolist(), hits.max(axis=0).tolist()
    cropped = mask[k0 : k1 + 1, j0 : j1 + 1, i0 : i1 + 1].astype(np.uint8)
    extent = [i0, i1, j0, j1, k0, k1]
    return {
        **label,
        "voxels": len(hits),
        "extent_ijk": extent,
        "array": WireArray.from_numpy(np.ascontiguousarray(cropped)),
    }


def main() -> None:
    """Serve until stdin closes."""
    worker, decoder = Worker(sys.argv[1:]), Decoder()
    while data := os.read(0, 1 << 20):
        for message in decoder.feed(data):
            worker.receive(message)


if __name__ == "__main__":
    main()
