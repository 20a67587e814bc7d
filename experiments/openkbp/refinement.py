"""How much three corrected slices teach: Dice on the other slices before and after refinement, per patient.

The clinical contours play the clinician: on the slices where the model is least sure (with some distance between them)
they replace the model's answer. Settings are chosen on validation patients and reported on test patients::

    python experiments/openkbp/refinement.py --data DATA --patients experiments/openkbp/validation.txt
    python experiments/openkbp/refinement.py --data DATA --patients experiments/openkbp/test.txt --set steps=60
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from VQSegLib.evaluation.overlap import dice
from VQSegLib.image_files import load_label_map, load_volume
from VQSegLib.inference.ranking import RankedSlice
from VQSegLib.inference.refinement import refine
from VQSegLib.inference.refinement_learning import RefinementSettings
from VQSegLib.inference.uncertainty import UncertaintyEstimator
from VQSegLib.labels import LabelTable
from VQSegLib.models.checkpoint import Model, load_checkpoint
from VQSegLib.resources import find_model

MODEL = "vqseg-openkbp-headneck"


def choose_slices(ranked: Sequence[RankedSlice], count: int, distance: int) -> list[int]:
    """Return the ``count`` least sure slices that are at least ``distance`` slices apart."""
    chosen: list[int] = []
    for one in ranked:
        if len(chosen) < count and all(abs(one.index - other) >= distance for other in chosen):
            chosen.append(one.index)
    return sorted(chosen)


def score(label_map: np.ndarray, truth: np.ndarray, labels: LabelTable, without: Sequence[int]) -> dict[str, float]:
    """Return Dice per structure over all slices but ``without``."""
    keep = np.ones(len(truth), dtype=bool)
    keep[list(without)] = False
    found, drawn = label_map[keep], truth[keep]
    return {label.name: dice(found == label.value, drawn == label.value) for label in labels.labels}


def measure(model: Model, data: Path, patient: str, options: argparse.Namespace) -> dict[str, Any]:
    """Refine one scan and return what came of it."""
    volume = load_volume(data / f"{patient}_image.nii.gz")
    truth = load_label_map(data / f"{patient}_label.nii.gz")
    unsure = UncertaintyEstimator(model, device=options.device).estimate(volume)
    proposal = unsure.prediction.label_map
    slices_k = choose_slices(unsure.slices, options.slices, options.distance)
    began = time.perf_counter()
    result = refine(model, volume, truth, slices_k, proposal=proposal, settings=options.settings, device=options.device)
    seconds = time.perf_counter() - began
    stages = result.prediction.seconds_by_stage
    return {
        "patient": patient,
        "slices": slices_k,
        "before": score(proposal.array, truth.array, model.labels, slices_k),
        "after": score(result.prediction.label_map.array, truth.array, model.labels, slices_k),
        "seconds": seconds,
        "seconds_learning": stages["Learning from corrections"],
        "seconds_segmenting": stages["Segmenting"],
    }


def print_table(rows: Sequence[dict[str, Any]], labels: LabelTable) -> None:
    """Print one line per patient, the mean, and the mean per structure, as Markdown."""
    print("| patient | corrected slices | Dice before | after | change | learning | segmenting | in all |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        before, after = _mean(row["before"].values()), _mean(row["after"].values())
        slices = ", ".join(map(str, row["slices"]))
        print(f"| {row['patient']} | {slices} | {_change(before, after)} | {_times([row])} |")
    before = _mean(_mean(row["before"].values()) for row in rows)
    after = _mean(_mean(row["after"].values()) for row in rows)
    print(f"| mean | | {_change(before, after)} | {_times(rows)} |\n")
    print("| structure | Dice before | after | change |\n|---|---|---|---|")
    for label in labels.labels:
        before, after = (_mean(row[when][label.name] for row in rows) for when in ("before", "after"))
        print(f"| {label.name} | {_change(before, after)} |")


def main() -> None:
    """Run the experiment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of <patient>_image.nii.gz and _label.nii.gz")
    parser.add_argument("--patients", type=Path, required=True, help="text file, one patient per line")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--slices", type=int, default=3, help="corrected slices per scan")
    parser.add_argument("--distance", type=int, default=10, help="least distance between them, slices")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="of RefinementSettings")
    options = parser.parse_args()
    changes = {name: json.loads(value) for name, value in (one.split("=", 1) for one in options.set)}
    options.settings = RefinementSettings(**changes)
    model = load_checkpoint(find_model(options.model))
    patients = options.patients.read_text(encoding="utf-8").split()
    rows = [measure(model, options.data, patient, options) for patient in patients]
    print(f"{options.settings}\n")
    print_table(rows, model.labels)


def _mean(values: Iterator[float] | Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _change(before: float, after: float) -> str:
    return f"{before:.4f} | {after:.4f} | {after - before:+.4f}"


def _times(rows: Sequence[dict[str, Any]]) -> str:
    names = ("seconds_learning", "seconds_segmenting", "seconds")
    return " | ".join(f"{_mean([row[name] for row in rows]):.1f} s" for name in names)


if __name__ == "__main__":
    main()
