"""Dice on fixed test patients against the number of corrected scans, semi-supervised and supervised.

A project begins with the patients a weak model was trained on. Corrected scans are queued (the clinical contours play
the clinician), and the weak model is fine-tuned on all labeled scans queued so far: what `vqseg runs start` does, with
its configuration. The test patients are never in the project. A run that has a result is not repeated::

    python experiments/loop/learning_curve.py --data DATA --output OUT
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from VQSegLib.atomic_files import write_text
from VQSegLib.evaluation.evaluate import evaluate_volumes
from VQSegLib.image_files import load_label_map, load_volume
from VQSegLib.inference.predictor import Predictor
from VQSegLib.models.checkpoint import load_checkpoint
from VQSegLib.project.folder import Project
from VQSegLib.project.review import Review
from VQSegLib.resources import load_label_table, resources_folder
from VQSegLib.runs.presets import Wish
from VQSegLib.runs.start import RunRequest, plan_run
from VQSegLib.training.trainer import Trainer
from VQSegLib.volume import Volume

HERE = Path(__file__).resolve().parent
PATIENTS = HERE.parent / "openkbp"
WEAK = resources_folder() / "demo" / "loop" / "weak.safetensors"
METHODS = ("vqseg", "supervised")


@dataclass(frozen=True)
class Run:
    """One fine-tuning: its folder is named after it."""

    method: str
    corrected: int
    seed: int

    @property
    def folder_name(self) -> str:
        """Folder below ``runs``."""
        return f"{self.method}-{self.corrected}-seed-{self.seed}"


class Experiment:
    """The runs of one output folder; each leaves a ``result.json`` in its folder."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Make or open the project in ``options.output``."""
        self.options = options
        self.parent = load_checkpoint(options.parent)
        self.test = read_patients(options.patients)
        first = read_patients(HERE / "weak_patients.txt")
        others = [one for one in read_patients(PATIENTS / "train.txt") if one not in first]
        self.to_correct = others[: max(options.counts)]
        self.cases: dict[str, str] = {}
        path = options.output / "project"
        if (path / "complete.json").is_file():
            self.project = Project.open(path)
            self.cases = json.loads((path / "complete.json").read_text(encoding="utf-8"))
            self.to_correct = [patient for patient in others if patient in self.cases]
            return
        shutil.rmtree(path, ignore_errors=True)
        options.output.mkdir(exist_ok=True)
        self.project = Project.create(path, load_label_table("openkbp_head_neck"), "CT", (-200.0, 500.0))
        self._fill(first)
        write_text(path / "complete.json", json.dumps(self.cases))

    def _fill(self, first: list[str]) -> None:
        """Add the weak model's own scans, the corrected ones and the unlabeled pool."""
        predictor = Predictor(self.parent)
        for patient in (*first, *self.to_correct):
            image, contours = self._load(patient)
            review = Review(origin="corrected", annotator_id="clinical contours")
            if patient in self.to_correct:
                proposal = predictor.predict(image).label_map
                review = Review(
                    origin="corrected",
                    annotator_id="clinical contours",
                    model_id=self.parent.card.name,
                    model_sha256=self.parent.sha256,
                    proposal=proposal,
                )
            self.cases[patient] = self.project.add_case(image, contours, split="train", review=review).case_id
        for path in sorted((self.options.data / "unlabeled").glob("*_image.nii.gz"))[: self.options.unlabeled]:
            self.project.add_case(load_volume(path), None, split="train")

    def _load(self, patient: str) -> tuple[Volume, Volume]:
        folder = self.options.data / "labeled"
        return load_volume(folder / f"{patient}_image.nii.gz"), load_label_map(folder / f"{patient}_label.nii.gz")

    def runs(self) -> Iterator[Run]:
        """Yield all runs, seed by seed, so that the first curve is complete early."""
        for seed in self.options.seeds:
            for corrected in self.options.counts:
                for method in self.options.methods:
                    yield Run(method, corrected, seed)

    def do(self, run: Run) -> None:
        """Train and test one run unless it has a result."""
        folder = self.options.output / "runs" / run.folder_name
        result = folder / "result.json"
        if result.is_file():
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(exist_ok=True)
        self._queue(run.corrected)
        steps = self.options.steps
        settings = (f"max_steps={steps}", f"seed={run.seed}", *self.options.set)
        request = RunRequest(self.options.parent, Wish("quick", run.method, settings), name=run.folder_name)
        plan = plan_run(self.project, request)
        started = time.perf_counter()
        trained = Trainer(self.project, plan.config, folder, cache=self.options.output / "cache").run()
        seconds = time.perf_counter() - started
        found = {**asdict(run), "steps": plan.config.max_steps, "labeled": len(plan.cases.labeled)}
        found |= {"unlabeled": len(plan.cases.unlabeled), "seconds": seconds, "dice": self.score(trained.model_path)}
        write_text(result, json.dumps(found, indent=1))
        (folder / "state.pt").unlink(missing_ok=True)
        (folder / "best.pt").unlink(missing_ok=True)

    def _queue(self, corrected: int) -> None:
        """Let the project hold the first ``corrected`` corrected scans and none of the others."""
        for number, patient in enumerate(self.to_correct):
            change = self.project.include_case if number < corrected else self.project.exclude_case
            change(self.cases[patient])

    def score(self, model: Path) -> dict[str, dict[str, float]]:
        """Return Dice per patient outside the project and structure."""
        predictor, scores = Predictor(load_checkpoint(model)), {}
        for patient in self.test:
            image, contours = self._load(patient)
            found = evaluate_volumes(predictor.predict(image).label_map, contours, self.project.labels)
            scores[patient] = {label.name: label.scores["dice"] for label in found.labels}
        return scores


def read_patients(file: Path) -> list[str]:
    """Return the patients of a list, one per line."""
    return file.read_text(encoding="utf-8").split()


def main() -> None:
    """Run what is missing and write ``results.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with labeled/ and unlabeled/ of OpenKBP")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--parent", type=Path, default=WEAK)
    parser.add_argument("--patients", type=Path, default=PATIENTS / "test.txt", help="who is scored, one per line")
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--counts", type=int, nargs="+", default=(1, 2, 4, 8))
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--unlabeled", type=int, default=150)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="of the configuration")
    experiment = Experiment(parser.parse_args())
    output = experiment.options.output
    parent = {"dice": experiment.score(experiment.options.parent)}
    for run in experiment.runs():
        experiment.do(run)
        found = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(output.glob("runs/*/result.json"))]
        write_text(output / "results.json", json.dumps({"parent": parent, "runs": found}, indent=1))


if __name__ == "__main__":
    main()
