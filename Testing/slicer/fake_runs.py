"""What the fake worker knows of runs and models of a project.

A run does ten steps per ``runs/show``; the file named by the environment variable FAKE_RUNS, if any, keeps runs and
models from one worker to the next, as a project folder does. Options: ``--worse`` and ``--undecided`` are what the rule
says about every new model, ``--no-labels`` has no labeled case, ``--frozen`` runs do not move, ``--long``
ones have told of 2,000 steps when they are first asked about, four times as much as the longest preset does.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from VQSegLib.wire import USER_ERROR, Failure, Request, Result

RUN_METHODS = (
    *("runs/plan", "runs/start", "runs/list", "runs/show", "runs/stop", "runs/resume", "models/compare"),
    *("models/promote", "models/rollback", "models/shelf", "models/export"),
)
STEPS, STEPS_PER_QUESTION, LONG_STEPS = 100, 10, 2_000
SENTENCES = {
    "not_worse": "Mean Dice 0.712 before and 0.803 after on 2 held-out patients: not worse by the rule.",
    "worse": "Mean Dice 0.712 before and 0.640 after on 2 held-out patients: worse by the rule.",
    "undecided": "The rule cannot decide: it needs 2 held-out patients and the project has 1; the user decides.",
}


class FakeRuns:
    """Runs and models of whichever project is asked about."""

    options: list[str]

    def __init__(self) -> None:
        self._file = Path(os.environ["FAKE_RUNS"]) if "FAKE_RUNS" in os.environ else None
        self.measured = False
        self.state: dict[str, Any] = {"runs": [], "events": {}, "models": [shelved("model-1", "weak")], "history": []}
        self.state["history"] = [{"action": "promote", "model_id": "model-1", "decided": "", "rule": "The first one."}]

    def recall(self) -> None:
        """Read what an earlier worker left."""
        if self._file is not None and self._file.is_file():
            self.state = json.loads(self._file.read_text(encoding="utf-8"))

    def keep(self) -> None:
        """Leave everything to the next worker."""
        if self._file is not None:
            self._file.write_text(json.dumps(self.state), encoding="utf-8")

    def active_model(self) -> str:
        """Return the ID of the model in use."""
        return self.state["history"][-1]["model_id"]

    def model_names(self) -> dict[str, str]:
        """Return the names of the models by their IDs."""
        return {model["id"]: model["name"] for model in self.state["models"]}

    def runs_plan(self, request: Request) -> Any:
        """Say what a run would use."""
        params = request.params
        if params.get("measure"):
            time.sleep(0.1)
            self.measured = True
        problem = ""
        if "--no-labels" in self.options:
            problem = "The project has no labeled case; correct a scan and queue it first."
        elif params.get("settings") == ["nonsense=1"]:
            problem = "There is no setting 'nonsense'; see the list of settings."
        elif params.get("parent") == "fake":
            problem = "The model 'Thresholds' knows other structures than the project; choose another one."
        if problem:
            return Result(request.id, {"problem": problem, "labeled": 0, "unlabeled": 0, "held_out": 0, "presets": []})
        lengths = {"quick": (200, "a first impression"), "standard": (1000, "after a few new scans")}
        presets = [
            {"name": name, "steps": steps, "purpose": purpose, "seconds": steps * 0.4 if self.measured else None}
            for name, (steps, purpose) in lengths.items()
        ]
        about = {"problem": None, "parent_id": "model-1", "parent_name": "weak", "method": "vqseg"}
        counts = {"labeled": 8, "unlabeled": 12, "held_out": 2}
        return Result(request.id, {**about, **counts, "presets": presets, "notes": []})

    def runs_start(self, request: Request) -> Any:
        """Begin a run."""
        self.recall()
        params, number = request.params, len(self.state["runs"]) + 1
        if any(run["state"] == "running" for run in self.state["runs"]):
            return Failure(request.id, USER_ERROR, "A run is under way in this project; wait for it or pause it.")
        name = params.get("name") or f"weak {number + 1}"
        spec = {"name": name, "preset": params["preset"], "promotes": params["promotes"], "created": str(number)}
        spec |= {"asked_by": params.get("annotator_id"), "parent_name": "weak", "parent": params.get("parent")}
        run = {"run_id": f"run-{number}", "state": "running", "stage": "Training", "step": 0, "steps": STEPS}
        self.state["runs"].append({**run, "seconds_left": None, "spec": spec, "result": None})
        self.state["events"][run["run_id"]] = []
        self.keep()
        note = "Fewer than two scans are held out, so you will decide." if "--undecided" in self.options else ""
        return Result(request.id, {"run": self.state["runs"][-1], "notes": [note] if note else []})

    def runs_list(self, request: Request) -> Result:
        """List the runs."""
        self.recall()
        return Result(request.id, {"runs": self.state["runs"]})

    def runs_show(self, request: Request) -> Any:
        """Show a run, which goes on a little."""
        self.recall()
        run = self.find_run(request)
        if run is None:
            return Failure(request.id, USER_ERROR, "The project has no such run.")
        if run["state"] == "running" and "--frozen" not in self.options:
            self.train(run)
        events, first = self.state["events"][run["run_id"]], request.params.get("first_event", 0)
        first = first if first <= len(events) else 0
        self.keep()
        answer = {"run": run, "events": events[first:], "first_event": first, "next_event": len(events)}
        if "log_lines" in request.params:
            lines = [f"Step {event['step']}" for event in events if event["event"] == "step"]
            answer["log"] = ["Preparing the scans", *lines][-request.params["log_lines"] :]
        return Result(request.id, answer)

    def runs_stop(self, request: Request) -> Any:
        """Pause or stop a run."""
        run = self.find_run(request)
        run["state"] = "stopped" if request.params.get("for_good") else "paused"
        run["stage"] = "Stopped for good, as asked." if request.params.get("for_good") else "Paused as asked."
        run["seconds_left"] = None
        self.keep()
        return Result(request.id, {"run": run})

    def runs_resume(self, request: Request) -> Any:
        """Let a run go on; it repeats its last ten steps."""
        run = self.find_run(request)
        run.update(state="running", stage="Training", step=max(0, run["step"] - 10))
        events = self.state["events"][run["run_id"]]
        events[:] = [event for event in events if event["step"] <= run["step"]]
        self.keep()
        return Result(request.id, {"run": run})

    def models_shelf(self, request: Request) -> Result:
        """List the models."""
        self.recall()
        models = [{**model, "is_in_use": model["id"] == self.active_model()} for model in self.state["models"]]
        back = len(self.state["history"]) > 1
        return Result(request.id, {"models": models, "history": self.state["history"], "can_roll_back": back})

    def models_compare(self, request: Request) -> Result:
        """Compare two models."""
        return Result(request.id, {"comparison": self.compare(request.params["new"], request.params.get("old"))})

    def models_promote(self, request: Request) -> Result:
        """Promote a model if it is not worse, or with a reason."""
        params = request.params
        comparison = self.compare(params["model"], None)
        if comparison["verdict"] == "worse" and not params.get("reason"):
            answer = {"is_promoted": False, "sentence": comparison["sentence"], "comparison": comparison}
            return Result(request.id, answer)
        self.state["history"].append({"action": "promote", "model_id": params["model"], "rule": params.get("reason")})
        self.keep()
        answer = {"is_promoted": True, "sentence": comparison["sentence"], "comparison": comparison}
        return Result(request.id, answer)

    def models_rollback(self, request: Request) -> Result:
        """Go back one model."""
        self.state["history"].pop()
        self.keep()
        back = len(self.state["history"]) > 1
        answer = {"active_model": self.active_model(), "history": self.state["history"], "can_roll_back": back}
        return Result(request.id, answer)

    def models_export(self, request: Request) -> Any:
        """Say that a file was written."""
        if "full" in request.params["output"]:
            return Failure(request.id, USER_ERROR, "The disk is full; choose another folder.")
        return Result(request.id, {"output": request.params["output"]})

    def find_run(self, request: Request) -> Any:
        """Return the run that a request names."""
        found = [run for run in self.state["runs"] if run["run_id"] == request.params["run"]]
        return found[0] if found else None

    def train(self, run: dict[str, Any]) -> None:
        """Do some steps, and what follows the last one."""
        events = self.state["events"][run["run_id"]]
        count = LONG_STEPS if "--long" in self.options and run["step"] == 0 else STEPS_PER_QUESTION
        for step in range(run["step"] + 1, run["step"] + count + 1):
            losses = {"loss/total": 2.0 / step**0.5, "loss/supervised": 1.5 / step**0.5, "loss/consistency": 0.2}
            events.append({"event": "step", "step": step, **losses, "lr": 0.01})
            if step % 20 == 0:
                dice = {"Dense": 1 - 6 / (step + 10), "Airy": None if step < 40 else 1 - 10 / (step + 10)}
                events.append(
                    {"event": "validation", "step": step, "dice": 1 - 8 / (step + 10), "dice_per_label": dice}
                )
        run["step"] += count
        run["seconds_left"] = 0.4 * (STEPS - run["step"])
        if run["step"] >= (LONG_STEPS + STEPS if "--long" in self.options else STEPS):
            self.finish(run)

    def finish(self, run: dict[str, Any]) -> None:
        """Put the new model on the shelf, and use it if the rule says so."""
        model_id = f"model-{len(self.state['models']) + 1}"
        self.state["models"].append(shelved(model_id, run["spec"]["name"], "weak", 0.803))
        comparison = self.compare(model_id, None)
        promoted = comparison["verdict"] == "not_worse" and run["spec"]["promotes"]
        if promoted:
            self.state["history"].append({"action": "promote", "model_id": model_id, "rule": comparison["sentence"]})
        done = {"state": "finished", "sentence": comparison["sentence"], "model_id": model_id}
        run.update(state="finished", stage=comparison["sentence"], seconds_left=None)
        run["result"] = {**done, "is_promoted": promoted, "comparison": comparison}

    def compare(self, new: str, old: str | None) -> dict[str, Any]:
        """Return how two models compare."""
        options = [each for each in ("worse", "undecided") if f"--{each}" in self.options]
        verdict = (options or ["not_worse"])[0]
        names = {model["id"]: model["name"] for model in self.state["models"]}
        dice = {"old": 0.712, "new": 0.803, "difference": 0.091, "low": 0.04, "high": 0.142}
        distance = {"old": 6.21, "new": 4.87, "difference": -1.34, "low": -2.0, "high": -0.5}
        unknown = dict.fromkeys(dice)
        labels = [
            {
                "value": 2,
                "name": "Dense",
                "cases": 2,
                "dice": dice,
                "hd95_mm": distance,
                "old_missed": 0,
                "new_missed": 0,
            },
            {"value": 5, "name": "Airy", "cases": 1, "dice": {**dice, "low": None, "high": None}, "hd95_mm": unknown}
            | {"old_missed": 1, "new_missed": 0},
        ]
        cases = [
            {"case_id": "case-a", "old_dice": 0.7, "new_dice": 0.8, "old_wrong_voxels": 900, "new_wrong_voxels": 700}
            | {"proposed_by": "old", "changed_voxels": 412},
            {"case_id": "case-b", "old_dice": 0.72, "new_dice": None, "old_wrong_voxels": 800, "new_wrong_voxels": 650}
            | {"proposed_by": "none", "changed_voxels": None},
        ]
        figures = {"patients": 2, "dice": dice, "hd95_mm": distance, "labels": labels, "cases": cases}
        return {
            "old": {"name": names.get(old or self.active_model(), "?"), "sha256": "0"},
            "new": {"name": names.get(new, "?"), "sha256": "1"},
            "verdict": verdict,
            "sentence": SENTENCES[verdict],
            "notes": ["1 of 2 held-out label maps began as a proposal of the old model, which favours it."],
            "rule": "A new model takes the place of the old one if ...",
            "figures": figures,
        }


def shelved(model_id: str, name: str, parent: str | None = None, dice: float | None = None) -> dict[str, Any]:
    """Return a model of the shelf."""
    held_out = None if dice is None else {"cases": 2, "mean": {"dice": dice, "hd95_mm": 4.87}, "per_label": {}}
    about = {"id": model_id, "name": name, "created": model_id, "parent": parent, "problem": None}
    return {**about, "labeled_cases": None if parent is None else 8, "held_out": held_out}
