"""What the fake worker knows of projects and cases; nothing is written.

A project whose path has a word in it behaves so: ``missing`` does not exist, ``model`` has a model in use, ``repaired``
and ``damaged`` were, ``full`` holds three cases, ``large`` a thousand, ``refusing`` takes nothing, ``busy`` takes long.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from VQSegLib.wire import CANCELLED, USER_ERROR, Failure, Notification, Request, Result, WireArray

PROJECT_METHODS = (
    *("projects/open", "projects/create", "projects/labels", "folders/list"),
    *("cases/list", "cases/show", "cases/add", "cases/open", "cases/exclude", "cases/include", "cases/remove"),
    *("cases/add_scans", "cases/next", "cases/export", "volume/read"),
)
LABELS = [
    {"value": 3, "name": "Dense", "color": [255, 0, 0], "category": None, "type": None, "modifier": None},
    {"value": 4, "name": "Airy", "color": [0, 255, 0], "category": None, "type": None, "modifier": None},
]
HELD_OUT = "Held out for good: every fifth labeled patient is, and this is number 5."
TRAINING = "Used for training: labeled patient 1; every fifth is held out."
BUSY_STEPS = 20


class FakeProjects:
    """Projects by their path."""

    options: list[str]
    volumes: dict[str, np.ndarray]
    cancelled: set[int]
    send: Callable[[Any], None]
    open_volume: Callable[[np.ndarray], str]

    def __init__(self) -> None:
        self.projects: dict[str, dict[str, Any]] = {}

    def projects_open(self, request: Request) -> Any:
        """Open a project, which is made when it is asked for the first time."""
        path = request.params["project"]
        if "missing" in path:
            return Failure(request.id, USER_ERROR, f"There is no project in '{path}'; choose another folder.")
        return Result(request.id, self.summary(path))

    def projects_create(self, request: Request) -> Any:
        """Make a project."""
        path = request.params["project"]
        if path in self.projects:
            return Failure(request.id, USER_ERROR, f"'{path}' is a project already; open it.")
        self.project(path)["labels"] = request.params["labels"]
        return Result(request.id, self.summary(path))

    def projects_labels(self, request: Request) -> Result:
        """Add a label."""
        labels = self.project(request.params["project"])["labels"]["labels"]
        value = max(label["value"] for label in labels) + 1
        labels.append({**{key: request.params[key] for key in LABELS[0] if key != "value"}, "value": value})
        return Result(request.id, {"labels": labels})

    def folders_list(self, request: Request) -> Any:
        """List folders of a made-up computer."""
        path = request.params.get("path") or "/home/doe"
        if path == "/secret":
            return Failure(request.id, USER_ERROR, "The folder '/secret' cannot be read (Permission denied).")
        names = ("data", "my project")
        folders = [{"name": name, "path": f"{path}/{name}", "is_project": "project" in name} for name in names]
        about = {"path": path, "parent": path.rpartition("/")[0] or None, "separator": "/", "home": "/home/doe"}
        answer = {**about, "is_project": False, "is_writable": True, "folders": folders, "roots": ["/", "/secret"]}
        return Result(request.id, answer)

    def cases_list(self, request: Request) -> Result:
        """List the cases."""
        project, state = self.project(request.params["project"]), request.params.get("state")
        cases = [case["summary"] for case in project["cases"].values()]
        listed = [case for case in cases if state in (None, case["state"])]
        return Result(request.id, {"cases": listed, "counts": {}, "damaged": {}})

    def cases_show(self, request: Request) -> Any:
        """Show what is known of a case."""
        case = self.project(request.params["project"])["cases"].get(request.params["case"])
        if case is None:
            return Failure(request.id, USER_ERROR, f"There is no case '{request.params['case']}'.")
        labels = [{"reviewed_slices": case["reviewed"]}] if case["summary"]["revision"] else []
        return Result(request.id, {"record": {"labels": labels}, "case": case["summary"]})

    def cases_exclude(self, request: Request) -> Result:
        """Exclude cases."""
        return self.set_state(request, "excluded")

    def cases_include(self, request: Request) -> Result:
        """Include cases."""
        return self.set_state(request, "queued")

    def cases_remove(self, request: Request) -> Any:
        """Remove cases."""
        cases = self.project(request.params["project"])["cases"]
        for case_id in request.params["cases"]:
            if case_id not in cases:
                return Failure(request.id, USER_ERROR, f"There is no case '{case_id}'.")
            del cases[case_id]
        return Result(request.id, {"cases": request.params["cases"]})

    def set_state(self, request: Request, state: str) -> Result:
        """Change the state of cases."""
        for case_id in request.params["cases"]:
            self.project(request.params["project"])["cases"][case_id]["summary"]["state"] = state
        return Result(request.id, {"cases": request.params["cases"]})

    def answer_cases_add(self, request: Request) -> Any:
        """Store a case, or ask back: an empty scan, an overlap, a scan that is there already."""
        asked, path = request.params, request.params["project"]
        project, array = self.project(path), self.volumes[request.params["volume"]]
        if "refusing" in path:
            return Failure(request.id, USER_ERROR, "The disk of the project is full; free some space.")
        drawn = np.zeros(array.shape, np.uint8)
        for label in asked["labels"]:
            if label.get("array") is not None:
                i0, i1, j0, j1, k0, k1 = label["extent_ijk"]
                mask = np.frombuffer(label["array"].data, np.uint8).reshape(label["array"].shape)
                drawn[k0 : k1 + 1, j0 : j1 + 1, i0 : i1 + 1] += mask
        twin = next((key for key, case in project["cases"].items() if np.array_equal(case["image"], array)), None)
        doubts = {"empty": not drawn.any(), "overlap": drawn.max() > 1, "revision": twin and not asked["revises"]}
        for question, is_doubtful in doubts.items():
            if is_doubtful and question not in asked["confirmed"]:
                return Result(request.id, {"case": None, "confirm": question, "sentence": f"It is {question}."})
        case_id = asked["revises"] or twin or f"case-{len(project['cases']) + 1}"
        revision = (project["cases"][case_id]["summary"]["revision"] or 0) + 1 if case_id in project["cases"] else 1
        case = make_case(case_id, revision=revision, reviewed=asked["reviewed_slices_k"], slices=len(array))
        case.update(image=array, labels=[{**label, "value": label.get("value", 0)} for label in asked["labels"]])
        if asked["same_patient_as"]:
            case["summary"]["patient_id"] = project["cases"][asked["same_patient_as"]]["summary"]["patient_id"]
        case["asked"] = {key: value for key, value in asked.items() if key != "labels"}
        project["cases"][case_id] = case
        return Result(request.id, {"case": case["summary"], "confirm": None, "sentence": TRAINING})

    def answer_cases_open(self, request: Request) -> Any:
        """Open a case with one label of a box in it."""
        case = self.project(request.params["project"])["cases"][request.params["case"]]
        array = case["image"]
        affine = [[-2.0, 0, 0, 10], [0, -2.0, 0, 20], [0, 0, 3.0, -30], [0, 0, 0, 1]]
        box = np.ones((2, 3, 4), np.uint8)
        found = {**LABELS[0], "voxels": 24, "extent_ijk": [5, 8, 6, 8, 1, 2], "array": WireArray.from_numpy(box)}
        labels = [found, {**LABELS[1], "voxels": 0, "extent_ijk": None}] if case["summary"]["revision"] else []
        geometry = {"shape_kji": list(array.shape), "affine_ijk_to_ras": affine}
        opened = {"volume": self.open_volume(array), "geometry": geometry, "dtype": array.dtype.str}
        return Result(request.id, {**opened, "labels": labels, "case": case["summary"]})

    def answer_cases_add_scans(self, request: Request) -> Result:
        """Add a scan for each path, but none that is called ``bad``."""
        project, paths = self.project(request.params["project"]), request.params["paths"]
        imported, failed = {}, {path: "It is no scan." for path in paths if "bad" in path}
        for path in paths:
            if path not in failed:
                imported[path] = f"case-{len(project['cases']) + 1}"
                project["cases"][imported[path]] = make_case(imported[path], revision=None, reviewed=None)
        return Result(request.id, {"imported": imported, "failed": failed, "is_stopped": False})

    def answer_cases_next(self, request: Request) -> Result:
        """Rank the scans without labels."""
        cases = self.project(request.params["project"])["cases"].values()
        pool = [case["summary"]["case_id"] for case in cases if case["summary"]["revision"] is None]
        model = request.params.get("model", "the model in use")
        reason = f"Unsure about Dense ({model}); unlike any labeled scan."
        scans = [{"case_id": each, "reason": reason} for each in pool]
        return Result(request.id, {"model": "m", "pool": len(pool), "scans": scans, "failed": {}})

    def answer_cases_export(self, request: Request) -> Any:
        """Pretend to export."""
        if "exists" in request.params["output"]:
            return Failure(request.id, USER_ERROR, "That folder exists; choose another name.")
        cases = request.params.get("cases") or list(self.project(request.params["project"])["cases"])
        told = {"left_out": {"case-9": "It has no labels."}, "notes": ["Research use only."]}
        return Result(request.id, {"output": request.params["output"], "train": cases, "test": [], **told})

    def volume_read(self, request: Request) -> Any:
        """Give slices of a scan back."""
        asked = request.params
        if asked["volume"] not in self.volumes:
            return Failure(request.id, USER_ERROR, "The engine holds no such scan.")
        slab = np.ascontiguousarray(self.volumes[asked["volume"]][asked["start_k"] : asked["stop_k"]])
        return Result(request.id, {"start_k": asked["start_k"], "array": WireArray.from_numpy(slab)})

    def work_on_project(self, request: Request) -> None:
        """Answer a background request, after some progress."""
        is_busy = "busy" in request.params["project"]
        for step in range(BUSY_STEPS if is_busy else 1):
            told = {"id": request.id, "fraction": step / BUSY_STEPS, "stage": "Writing the case", "seconds_left": None}
            self.send(Notification("progress", told))
            time.sleep(0.05 if is_busy else 0.0)
            if request.id in self.cancelled:
                self.send(Failure(request.id, CANCELLED, "Stopped as asked; nothing was changed."))
                return
        self.send(getattr(self, "answer_" + request.method.replace("/", "_"))(request))

    def project(self, path: str) -> dict[str, Any]:
        """Return a project."""
        if path not in self.projects:
            labels = {"labels": [dict(label) for label in LABELS]}
            self.projects[path] = {"cases": {case["summary"]["case_id"]: case for case in made(path)}, "labels": labels}
        return self.projects[path]

    def summary(self, path: str) -> dict[str, Any]:
        """Return what ``projects/open`` answers."""
        project = self.project(path)
        cases = [case["summary"] for case in project["cases"].values()]
        states = [case["state"] for case in cases]
        counts = {state: states.count(state) for state in ("unlabeled", "queued", "trained", "excluded")}
        about = {"path": path, "labels": project["labels"], "modality": "CT", "intensity_window": [-160.0, 240.0]}
        damaged = {"case-9": "Its label map is damaged."} if "damaged" in path else {}
        repairs = ["One unfinished case was taken back."] if "repaired" in path else []
        held_out = sum(case["split"] == "held_out" for case in cases)
        state = {"active_model": "model-1" if "model" in path else None, "damaged": damaged, "repairs": repairs}
        return {**about, "counts": counts, "held_out": held_out, **state}


def made(path: str) -> list[dict[str, Any]]:
    """Return the cases that a project has from the beginning."""
    if "large" in path:
        return [make_case(f"case-{number:04d}", revision=1, reviewed=None) for number in range(1000)]
    if "full" not in path:
        return []
    held_out = make_case("case-2", revision=2, reviewed=None, split="held_out", reason=HELD_OUT)
    held_out["summary"]["unjudged_labels"] = ["Tumor"]
    return [
        make_case("case-1", revision=1, reviewed=[1, 2]),
        held_out,
        make_case("case-3", revision=None, reviewed=None),
    ]


def make_case(
    case_id: str,
    *,
    revision: int | None,
    reviewed: list[int] | None,
    slices: int = 6,
    split: str = "train",
    reason: str = TRAINING,
) -> dict[str, Any]:
    """Return a case."""
    number = int(case_id.rpartition("-")[2])
    about = {"case_id": case_id, "patient_id": f"patient-{number}", "split": split, "split_reason": reason}
    labels = {"revision": revision, "revisions": revision or 0, "annotator_id": "me" if revision else None}
    review = {"reviewed_slices": None if reviewed is None else len(reviewed), "slices": slices, "unjudged_labels": []}
    date = f"2026-01-{1 + number % 28:02d}T10:00:00+00:00"
    dates = {"added": date, "accepted": date if revision else None, "changed_voxels": 7 if revision else None}
    summary = {**about, "state": "queued" if revision else "unlabeled", **labels, **review, **dates}
    image = np.random.default_rng(number).integers(-1000, 1000, (6, 12, 16)).astype(np.int16)
    return {"summary": summary, "reviewed": reviewed, "image": image}
