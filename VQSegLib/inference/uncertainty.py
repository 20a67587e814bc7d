"""Where a model is unsure: predictive entropy and disagreement of decodes with perturbed codes.

Two passes over the scan. The first is the segmentation itself, with the same label map; it also says where the plain
probabilities are ambiguous. The second one covers only those places, with few and little overlapping windows: each is
encoded once and decoded ``samples`` times with perturbed codes. A decoder costs more than an encoder, and windows of a
segmentation overlap by half, so perturbing every one of them would cost five times the segmentation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Unpack

import numpy as np
import torch

from VQSegLib.box import Box
from VQSegLib.errors import ConfigError
from VQSegLib.inference.ambiguous_windows import AmbiguityMap, count_affordable_samples
from VQSegLib.inference.batched_forward import WindowComputation, evaluating
from VQSegLib.inference.perturbed_decodes import PerturbedDecodes
from VQSegLib.inference.predictor import LabelArray, Prediction, build_prediction, plain_logits
from VQSegLib.inference.progress import OnProgress, Progress
from VQSegLib.inference.ranking import RankedRegion, RankedSlice, rank_regions, rank_slices
from VQSegLib.inference.region import clear_outside
from VQSegLib.inference.run_options import RunOptions
from VQSegLib.inference.uncertainty_writers import HalfMap, PerturbationWriter, SurveyWriter
from VQSegLib.inference.window_engine import PREPARED, WindowEngine, WindowJob
from VQSegLib.models.code_perturbation import CodePerturbationConfig
from VQSegLib.models.coded_network import CodedNetwork
from VQSegLib.models.protocol import SegmentationModel
from VQSegLib.volume import Volume

_FIRST_PASS_ENDS, _RANKING = 0.6, 0.97
"""Fractions of the progress bar."""
_NO_QUANTIZER = (
    "This model has no vector quantizer whose codes could be perturbed, so there is only the entropy of its "
    "probabilities."
)


@dataclass(frozen=True)
class Uncertainty:
    """A segmentation and where it is unsure; all maps have the geometry of the input.

    Attributes:
        prediction: The segmentation, with the same label map as that of the predictor.
        entropy: float16, nats: 0 (sure) to the logarithm of the number of classes; 0.69 between two equal ones. Of the
            mean over the perturbed decodes, where there are any.
        disagreement: float16 in 0..1: share of the probability that perturbed codes move to another class, 0 where
            nothing was ambiguous; None for a model without a quantizer.
        samples: Perturbed decodes per window; 0 without a quantizer, or when nothing was ambiguous.
        slices: Slices of the input, the least sure first.
        regions: Connected unsure regions, the least sure first.
    """

    prediction: Prediction
    entropy: Volume
    disagreement: Volume | None
    samples: int
    slices: tuple[RankedSlice, ...]
    regions: tuple[RankedRegion, ...]


@dataclass
class _Maps:
    """Arrays of the input's shape, and what the first pass found."""

    label_map: LabelArray
    structure: LabelArray
    entropy: HalfMap
    disagreement: HalfMap | None
    batch_size: int = 0
    samples: int = 0

    def clear_outside(self, roi: Box | None) -> None:
        """Make everything outside of a region of interest background, and sure."""
        for array in (self.label_map, self.entropy, self.disagreement):
            if roi is not None and array is not None:
                clear_outside(array, roi)


class UncertaintyEstimator:
    """Segments volumes and says where one model is unsure."""

    def __init__(
        self,
        model: SegmentationModel,
        *,
        samples: int = 8,
        perturbation: CodePerturbationConfig | None = None,
        max_cost: float | None = 2.0,
        seed: int = 0,
        **options: Unpack[RunOptions],
    ) -> None:
        """Choose how to perturb, where and how to run.

        Args:
            model: Network with its configuration.
            samples: Perturbed decodes per window.
            perturbation: How codes are perturbed; None for the settings of training.
            max_cost: Cost of the whole, in plain segmentations, above which fewer samples are drawn (not fewer than
                two); None: never fewer.
            seed: Same seed, same maps.
            **options: As of :class:`VQSegLib.inference.predictor.Predictor`; ``stride`` is that of the segmentation.

        Raises:
            ConfigError: If a value is unknown, impossible or contradicts the model.
        """
        if samples < 1:
            msg = f"samples must be at least 1, given {samples}; 8 is usual."
            raise ConfigError(msg)
        if max_cost is not None and max_cost <= 1:
            msg = f"max_cost must exceed 1 (one plain segmentation), given {max_cost}; 2 is usual."
            raise ConfigError(msg)
        self._engine = WindowEngine(model, **options)
        self._samples, self._max_cost, self._seed = samples, max_cost, seed
        self._perturbation = perturbation or CodePerturbationConfig()

    def estimate(
        self,
        volume: Volume,
        *,
        roi: Box | None = None,
        on_progress: OnProgress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Uncertainty:
        """Segment a volume and map where the model is unsure.

        Args:
            volume: CT in HU, in any orientation.
            roi: Box of voxel indices of ``volume``; outside of it the result is background, and sure.
            on_progress: Called with fraction, stage and seconds left, at least once a batch.
            cancelled: Asked between decodes whether to stop.

        Raises:
            Cancelled: If ``cancelled`` answered True.
            UserError: If the region of interest lies outside the volume, or memory does not hold one window.
        """
        progress = Progress(on_progress, cancelled)
        job = self._engine.prepare(volume, roi, progress)
        with evaluating(self._engine.model.network):
            maps, device = self._engine.run_somewhere(job, lambda device: self._estimate(job, device))
        maps.clear_outside(roi)
        progress.start_stage("Ranking", _RANKING)
        entropy = volume.with_array(maps.entropy)
        slices, regions = rank_slices(entropy), rank_regions(entropy, maps.structure)
        progress.start_stage("Done", 1.0)
        return Uncertainty(
            prediction=build_prediction(self._engine, job, maps.label_map, device, maps.batch_size),
            entropy=entropy,
            disagreement=None if maps.disagreement is None else volume.with_array(maps.disagreement),
            samples=maps.samples,
            slices=slices,
            regions=regions,
        )

    def _estimate(self, job: WindowJob, device: torch.device) -> _Maps:
        model, shape = self._engine.model, job.volume.shape_kji
        maps = _Maps(
            label_map=np.zeros(shape, np.uint8),
            structure=np.zeros(shape, np.uint8),
            entropy=np.zeros(shape, np.float16),
            disagreement=None,
        )
        # Written through canonical views, so every voxel lands at its place in the axis order of the input.
        label_map, entropy, structure = (
            job.grid.axis_map.to_canonical(array) for array in (maps.label_map, maps.entropy, maps.structure)
        )
        values = (0, *model.labels.values)
        ambiguity = AmbiguityMap(job.grid.shape_kji, job.windows.window_kji)
        survey = SurveyWriter(label_map, entropy, structure, ambiguity, job.grid.shape_kji, job.region, values)
        job.progress.start_stage("Segmenting", PREPARED)
        span = (PREPARED, _FIRST_PASS_ENDS)
        network = self._engine.prepare_network(device)
        logits = plain_logits(network, model.network_config.num_classes)
        maps.batch_size = self._engine.stream(job, device, logits, survey, span=span)
        self._perturb(job, device, network, maps, ambiguity)
        return maps

    def _perturb(
        self,
        job: WindowJob,
        device: torch.device,
        network: Callable[[torch.Tensor], torch.Tensor],
        maps: _Maps,
        ambiguity: AmbiguityMap,
    ) -> None:
        if not isinstance(network, CodedNetwork) or network.lookup is None:
            job.notes.append(_NO_QUANTIZER)
            return
        maps.disagreement = np.zeros(job.volume.shape_kji, np.float16)
        cover = ambiguity.cover()
        if cover is None:
            return
        region, windows = cover
        maps.samples = count_affordable_samples(self._samples, self._max_cost, len(job.windows), len(windows))
        job.progress.start_stage("Perturbing codes", _FIRST_PASS_ENDS)
        decodes = PerturbedDecodes(
            network,
            network.lookup,
            self._perturbation,
            samples=maps.samples,
            seed=self._seed,
            touch=job.progress.touch,
        )
        entropy, disagreement = (job.grid.axis_map.to_canonical(array) for array in (maps.entropy, maps.disagreement))
        writer = PerturbationWriter(
            entropy, disagreement, job.grid.shape_kji, region, self._engine.model.network_config.num_classes
        )
        second = dataclasses.replace(job, region=region, windows=windows)
        computation = WindowComputation(decodes, decodes.channels)
        self._engine.stream(second, device, computation, writer, span=(_FIRST_PASS_ENDS, _RANKING))
        writer.finish()
