"""One look at a scan by a model: how unsure it is about each structure, and which codes the scan is made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from VQSegLib.inference.batched_forward import WindowComputation, evaluating
from VQSegLib.inference.predictor import plain_logits
from VQSegLib.inference.progress import OnProgress, Progress
from VQSegLib.inference.window_engine import PREPARED, WindowEngine, WindowJob
from VQSegLib.models.code_lookup import CodeLookup
from VQSegLib.models.coded_network import CodedNetwork
from VQSegLib.models.protocol import SegmentationModel
from VQSegLib.volume import Volume


@dataclass(frozen=True)
class Survey:
    """What a model says about a scan.

    Attributes:
        unsure_nats_ml: ``(num_classes - 1,)`` entropy summed over the voxels where a structure is the likeliest one
            besides the background, nats times millilitres.
        code_shares: ``(codebook_size,)`` share of each code, sum 1; None for a model without a quantizer.
    """

    unsure_nats_ml: npt.NDArray[np.float64]
    code_shares: npt.NDArray[np.float64] | None


class Surveyor:
    """Surveys scans with one model.

    Windows do not overlap: that is several times faster than a segmentation, and sums over a scan hardly change.
    """

    def __init__(self, model: SegmentationModel, *, device: str | torch.device = "auto") -> None:
        """Choose model and device.

        Raises:
            ConfigError: The device is not there.
        """
        self._engine = WindowEngine(model, device=device, stride=model.preprocessing.patch_size)

    def survey(
        self,
        volume: Volume,
        *,
        on_progress: OnProgress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Survey:
        """Look at one scan.

        Args:
            volume: CT in HU, in any orientation.
            on_progress: Told how far the work is.
            cancelled: Asked between batches whether to stop.

        Raises:
            Cancelled: ``cancelled`` answered True.
            UserError: Memory does not hold one window.
        """
        job = self._engine.prepare(volume, None, Progress(on_progress, cancelled))
        with evaluating(self._engine.model.network):
            found, _ = self._engine.run_somewhere(job, lambda device: self._look(job, device))
        return found

    def _look(self, job: WindowJob, device: torch.device) -> Survey:
        network, num_classes = self._engine.prepare_network(device), self._engine.model.network_config.num_classes
        counter, computation = None, plain_logits(network, num_classes)
        if isinstance(network, CodedNetwork) and network.lookup is not None:
            counter = _CodeCounter(network, network.lookup)
            computation = WindowComputation(counter.forward, num_classes)
        sums = _EntropySums(num_classes)
        job.progress.start_stage("Looking at the scan", PREPARED)
        self._engine.stream(job, device, computation, sums)
        voxel_ml = math.prod(job.grid.spacing_mm_kji) / 1000.0
        return Survey(sums.by_structure * voxel_ml, None if counter is None else counter.shares())


class _CodeCounter:
    """Segments windows and counts the codes they are made of."""

    def __init__(self, network: CodedNetwork, lookup: CodeLookup) -> None:
        self._network, self._lookup = network, lookup
        self._counts = torch.zeros(len(lookup.codes), dtype=torch.int64)

    def forward(self, images: torch.Tensor, _starts: object) -> torch.Tensor:
        """Return logits as the network itself does."""
        features = self._network.encode(images)
        indices = self._lookup.find(features[-1])
        self._counts += torch.bincount(indices.flatten(), minlength=len(self._counts)).cpu()
        return self._network.decode(self._network.share(features), self._lookup.look_up(indices), images.shape[2:])

    def shares(self) -> npt.NDArray[np.float64]:
        """Return the share of each code."""
        counts = self._counts.numpy().astype(np.float64)
        shares: npt.NDArray[np.float64] = counts / max(1.0, counts.sum())
        return shares


class _EntropySums:
    """Takes blended logits slice by slice and sums their entropy by structure."""

    def __init__(self, num_classes: int) -> None:
        self.by_structure = np.zeros(num_classes - 1)

    def write(self, _grid_k: int, channels: torch.Tensor) -> None:
        """Take logits ``(num_classes, J, I)`` of one slice."""
        logs = torch.log_softmax(channels, dim=0)
        entropy = -(logs.exp() * logs).sum(dim=0)
        structure = channels[1:].argmax(dim=0)
        sums = torch.bincount(structure.flatten(), weights=entropy.flatten(), minlength=len(self.by_structure))
        self.by_structure += sums.cpu().numpy()
