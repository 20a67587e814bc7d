"""What the fake worker knows of projects and cases; nothing is written."""

from __future__ import annotations

import copy
from typing import Any

from VQSegLib.wire import USER_ERROR, Failure, Request, Result

PROJECT_METHODS = ("projects/open", "projects/create")


class FakeProjects:
    """Projects by their path; every project whose path has ``missing`` in it does not exist."""

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

    def project(self, path: str) -> dict[str, Any]:
        """Return a project."""
        return self.projects.setdefault(path, {"cases": {}, "labels": {"labels": []}})

    def summary(self, path: str) -> dict[str, Any]:
        """Return what ``projects/open`` answers."""
        project = self.project(path)
        states = [case["state"] for case in project["cases"].values()]
        counts = {state: states.count(state) for state in ("unlabeled", "queued", "trained", "excluded")}
        about = {"path": path, "labels": project["labels"], "modality": "CT", "intensity_window": [-160.0, 240.0]}
        active = "model-1" if "model" in path else None
        held = [case for case in project["cases"].values() if case["split"] == "held_out" and case["revisions"]]
        repairs = ["One unfinished case was taken back."] if "repaired" in path else []
        return {
            **copy.deepcopy(about),
            "counts": counts,
            "held_out": len(held),
            "damaged": {"case-9": "Its label map is damaged."} if "damaged" in path else {},
            "active_model": active,
            "repairs": repairs,
        }
