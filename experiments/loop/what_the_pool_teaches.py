"""What pseudo-labels of unseen scans could teach a student: where it errs, and what a teacher says there.

Both are the finished model of a run of `learning_curve.py`: the teacher sees weak views, the student strong views of
the same patches, cut as in training from labeled scans that the run did not use. Of the student's wrong voxels the
teacher corrects some, repeats others with confidence, and is not confident about the rest, which is not learned from;
of its right ones the teacher contradicts some::

    python experiments/loop/what_the_pool_teaches.py --data DATA --run OUT/runs/vqseg-0-seed-1
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from learning_curve import HERE, PATIENTS, read_patients
from torch import Tensor

from VQSegLib.image_files import load_label_map, load_volume
from VQSegLib.inference.preprocessing import prepare_case
from VQSegLib.models.checkpoint import load_checkpoint
from VQSegLib.resources import load_label_table
from VQSegLib.training.augmentation import strong_view, weak_view
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.patches import PatchCutter
from VQSegLib.training.targets import build_target
from VQSegLib.volume import Array

SCANS = 8
"""How many of the scans after the weak model's own are looked at."""


@dataclass(frozen=True)
class Views:
    """The same patch as teacher and student see it ``(1, *spatial)``, and its classes ``(*spatial)``."""

    weak: Tensor
    strong: Tensor
    target: Tensor


class Patches:
    """Draws patches as training draws those of the unlabeled pool."""

    def __init__(self, config: TrainingConfig, data: Path) -> None:
        """Load the scans."""
        self._config, self._cutter, self._rng = config, PatchCutter(config), np.random.default_rng(0)
        first = read_patients(HERE / "weak_patients.txt")
        unseen = [one for one in read_patients(PATIENTS / "train.txt") if one not in first][:SCANS]
        self._cases = [self._prepare(data / "labeled", patient) for patient in unseen]

    def _prepare(self, folder: Path, patient: str) -> tuple[Array, Array]:
        image = load_volume(folder / f"{patient}_image.nii.gz")
        contours = load_label_map(folder / f"{patient}_label.nii.gz")
        target = build_target(contours, load_label_table("openkbp_head_neck"), None, ())
        case = prepare_case(image, target, self._config.preprocessing)
        if case.label is None:
            msg = "prepared without its target"
            raise RuntimeError(msg)
        return case.image_hu[case.body.slices], case.label[case.body.slices]

    def draw(self, number: int) -> Views:
        """Return patch ``number``; scans take turns."""
        image, target = self._cases[number % len(self._cases)]
        center = self._cutter.draw_center(image, self._rng)
        cut = self._cutter.cut_image(image, center), self._cutter.cut_target(target, center)
        config = self._config
        view = weak_view(*cut, config.data.patch_size, config.augmentation, None, self._rng)
        if view.target is None:
            msg = "a view without its target"
            raise RuntimeError(msg)
        return Views(view.image, strong_view(view.image, config.augmentation, self._rng), view.target)


def compare(probabilities: Tensor, target: Tensor, threshold: float) -> Counter[str]:
    """Count voxels of one patch.

    Args:
        probabilities: ``(2, C, *spatial)`` of teacher and student.
        target: ``(*spatial)`` classes.
        threshold: Confidence below which a pseudo-label is ignored.
    """
    confidence, teacher = probabilities[0].max(0)
    student, sure = probabilities[1].argmax(0), confidence >= threshold
    wrong = student != target
    found = {
        "voxels": torch.ones_like(wrong),
        "confident": sure,
        "student wrong": wrong,
        "corrected by the teacher": wrong & sure & (teacher == target),
        "repeated with confidence": wrong & sure & (teacher != target),
        "not confident": wrong & ~sure,
        "right, but contradicted": ~wrong & sure & (teacher != target),
    }
    return Counter({name: int(mask.sum()) for name, mask in found.items()})


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with labeled/ of OpenKBP")
    parser.add_argument("--run", type=Path, required=True, help="finished run of learning_curve.py")
    parser.add_argument("--patches", type=int, default=96)
    options = parser.parse_args()
    config = TrainingConfig.model_validate_json((options.run / "config.json").read_bytes())
    network = load_checkpoint(options.run / "model.safetensors").network.eval()
    patches, total = Patches(config, options.data), Counter[str]()
    for number in range(options.patches):
        views = patches.draw(number)
        with torch.no_grad():
            probabilities = network(torch.stack([views.weak, views.strong])).softmax(1)
        total += compare(probabilities, views.target, config.method.confidence_threshold)
    wrong = total["student wrong"]
    for name, count in total.items():
        per_wrong = f", {count / wrong:.1%} of the number of wrong ones" if count <= wrong else ""
        print(f"{name}: {count / total['voxels']:.2%} of all voxels{per_wrong}")


if __name__ == "__main__":
    main()
