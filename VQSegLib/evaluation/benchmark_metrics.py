"""Time the metrics against medpy on a CT-sized pair of masks: ``python -m VQSegLib.evaluation.benchmark_metrics``."""

from __future__ import annotations

import importlib
import logging
import sys
import time
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from VQSegLib.errors import UserError
from VQSegLib.evaluation.overlap import Mask, dice, jaccard
from VQSegLib.evaluation.surface import FloatArray, asd_mm, compute_surface_distances, hd95_mm

logger = logging.getLogger(__name__)
CT_SHAPE_KJI = (300, 512, 512)
CT_SPACING_MM_KJI = (1.0, 0.8, 0.8)
METRICS = ("dice", "jaccard", "hd95_mm", "asd_mm")


@dataclass(frozen=True)
class MetricsTiming:
    """Times of the four metrics on one pair.

    Attributes:
        shape_kji: Shape of the masks.
        vqseg_seconds: Time of this package.
        medpy_seconds: Time of medpy's ``dc``, ``jc``, ``hd95`` and ``asd``.
        largest_difference: Largest absolute difference between the two over the four metrics.
    """

    shape_kji: tuple[int, ...]
    vqseg_seconds: float
    medpy_seconds: float
    largest_difference: float

    @property
    def ratio(self) -> float:
        """How many times faster than medpy."""
        return self.medpy_seconds / self.vqseg_seconds

    def __str__(self) -> str:
        """One line for people."""
        size = "x".join(map(str, self.shape_kji[::-1]))
        return (
            f"{', '.join(METRICS)} on one pair of {size} voxels: VQSeg {self.vqseg_seconds:.2f} s, "
            f"medpy {self.medpy_seconds:.2f} s, {self.ratio:.0f} times faster, "
            f"largest difference {self.largest_difference:.1e}."
        )


def benchmark_metrics(shape_kji: tuple[int, int, int] = CT_SHAPE_KJI) -> MetricsTiming:
    """Time Dice, Jaccard, HD95 and ASD on a synthetic organ the size of a liver against medpy.

    Args:
        shape_kji: Shape of the masks; the organ grows with it.

    Raises:
        UserError: medpy is not installed.
    """
    medpy = _import_medpy()
    prediction, reference = build_organ_pair(shape_kji)
    start = time.perf_counter()
    distances = compute_surface_distances(prediction, reference, CT_SPACING_MM_KJI)
    ours = (dice(prediction, reference), jaccard(prediction, reference), hd95_mm(distances), asd_mm(distances))
    middle = time.perf_counter()
    theirs = (
        medpy.dc(prediction, reference),
        medpy.jc(prediction, reference),
        medpy.hd95(prediction, reference, CT_SPACING_MM_KJI),
        medpy.asd(prediction, reference, CT_SPACING_MM_KJI),
    )
    end = time.perf_counter()
    difference = float(np.abs(np.subtract(ours, theirs)).max())
    return MetricsTiming(prediction.shape, middle - start, end - middle, difference)


def build_organ_pair(shape_kji: tuple[int, int, int]) -> tuple[Mask, Mask]:
    """Return a lumpy ellipsoid of about 40 % of the image's extent, and the same moved, shrunk and lumped otherwise."""
    size = np.array(shape_kji, dtype=np.float64)
    reference = _build_organ(shape_kji, center=0.5 * size, radii=0.2 * size, phase=0.0)
    prediction = _build_organ(shape_kji, center=0.51 * size, radii=0.195 * size, phase=0.7)
    return prediction, reference


def _build_organ(shape_kji: tuple[int, ...], center: FloatArray, radii: FloatArray, phase: float) -> Mask:
    grid = np.ogrid[tuple(slice(0, length) for length in shape_kji)]
    offsets = [(axis - middle) / radius for axis, middle, radius in zip(grid, center, radii, strict=True)]
    lumps = np.sin(5 * offsets[0] + phase) * np.sin(6 * offsets[1]) * np.sin(7 * offsets[2] + phase)
    inside: Mask = sum(offset**2 for offset in offsets) < 1 + 0.15 * lumps
    return inside


def _import_medpy() -> ModuleType:
    try:
        return importlib.import_module("medpy.metric.binary")
    except ImportError as exc:
        msg = "The benchmark compares with medpy, which is not installed: run pip install 'vqseg[test]'."
        raise UserError(msg) from exc


def main() -> None:
    """Log the timing of one 512x512x300 pair; without medpy, end with one sentence."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        logger.info("%s", benchmark_metrics())
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
