"""Ways to segment a scan with one network: VQSeg's predictor, and others around the same network and weights."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from VQSegLib.box import Box
from VQSegLib.inference.device import resolve_precision
from VQSegLib.inference.predictor import LabelArray, Predictor
from VQSegLib.inference.preprocessing import ModelGridImage, normalize, resample_to_model_grid
from VQSegLib.inference.window_layout import lay_windows
from VQSegLib.kept_memory import keep_freed_memory
from VQSegLib.models.precision import autocasting
from VQSegLib.models.protocol import SegmentationModel
from VQSegLib.volume import Volume

_SIGMA = 0.125
"""Of the Gaussian that all contenders blend windows with, as a share of the window."""


class Contender:
    """Segments scans with one model.

    Attributes:
        batch_size: Windows per pass of the last scan.
    """

    def __init__(self, model: SegmentationModel, precision: str, batch_size: int | None, device: torch.device) -> None:
        """Take over a model.

        Args:
            model: In evaluation mode.
            precision: "float32" or "bfloat16".
            batch_size: Windows per pass; None chooses by memory.
            device: Where the network runs.
        """
        self.model, self.device, self.precision = model, device, precision
        self.batch_size = batch_size or 1
        self._asked_batch_size = batch_size
        self.dtype = resolve_precision(precision, device)

    def segment(self, volume: Volume) -> LabelArray:
        """Return label values in the axis order of the volume."""
        grid = resample_to_model_grid(volume, self.model.preprocessing)
        image = torch.from_numpy(normalize(grid.array, self.model.preprocessing))
        with torch.inference_mode():
            classes = self.classify(image, grid)
        label_map = np.zeros(volume.shape_kji, np.uint8)
        values = np.array((0, *self.model.labels.values), np.uint8)
        grid.axis_map.to_canonical(label_map)[...] = values[classes]
        return label_map

    def classify(self, image: Tensor, grid: ModelGridImage) -> npt.NDArray[np.integer[Any]]:
        """Return the class ``(K, J, I)`` of every voxel of normalized input ``(C, K, J, I)``."""
        raise NotImplementedError

    def network(self, images: Tensor) -> Tensor:
        """Return float32 logits of a batch in the contender's precision."""
        with autocasting(self.device, self.dtype):
            logits: Tensor = self.model.network(images.to(self.device))
        return logits.float()

    @property
    def window(self) -> tuple[int, ...]:
        """Sides of a window: ``(K, J, I)``, or ``(J, I)`` of a 2-D network."""
        sides = self.model.preprocessing.patch_size
        if sides is None:
            msg = "the benchmark needs a model with a patch size"
            raise RuntimeError(msg)
        return sides


class Vqseg(Contender):
    """This package's predictor."""

    def segment(self, volume: Volume) -> LabelArray:
        """Return label values in the axis order of the volume."""
        keep_freed_memory()  # as command line and worker do
        predictor = Predictor(
            self.model, device=self.device, precision=self.precision, window_batch_size=self._asked_batch_size
        )
        prediction = predictor.predict(volume)
        self.batch_size = prediction.window_batch_size
        label_map: LabelArray = prediction.label_map.array
        return label_map


class PlainLoop(Contender):
    """One window after the other, scores of the whole scan in numpy, codes projected in every pass.

    So works the test script that the authors of VQ-Seg released, written here anew; only overlap and weights of
    windows are those of the other contenders.
    """

    def classify(self, image: Tensor, grid: ModelGridImage) -> npt.NDArray[np.integer[Any]]:
        """Return the class of every voxel."""
        del grid
        weight = _gaussian(self.window)
        scores: npt.NDArray[np.float32] | None = None
        counts = np.zeros(image.shape[1:], np.float32)
        for place in _windows(image.shape[1:], self.window, self.model.preprocessing.overlap):
            logits = self.network(image[(slice(None), *place)].unsqueeze(0)).squeeze(0).cpu().numpy()
            if scores is None:
                scores = np.zeros((logits.shape[0], *image.shape[1:]), np.float32)
            scores[(slice(None), *place)] += logits * weight
            counts[place] += weight
        return np.asarray(np.argmax(scores / counts if scores is not None else counts[None], axis=0))


class Monai(Contender):
    """MONAI's sliding-window inferer; for a 2-D network slices are what it batches over."""

    def classify(self, image: Tensor, grid: ModelGridImage) -> npt.NDArray[np.integer[Any]]:
        """Return the class of every voxel."""
        from monai.inferers.inferer import SlidingWindowInferer

        del grid
        inferer = SlidingWindowInferer(
            roi_size=self.window,
            sw_batch_size=self.batch_size,
            overlap=self.model.preprocessing.overlap,
            mode="gaussian",
            sigma_scale=_SIGMA,
            progress=False,
        )
        is_2d = len(self.window) == 2
        logits: Any = inferer(image.transpose(0, 1) if is_2d else image.unsqueeze(0), self.network)
        return np.asarray((logits.argmax(1) if is_2d else logits[0].argmax(0)).cpu().numpy())


class NnUNet(Contender):
    """nnU-Net's predictor without mirroring; it takes one window at a time."""

    @staticmethod
    def is_installed() -> bool:
        """Whether the package nnunetv2 is there."""
        return importlib.util.find_spec("nnunetv2") is not None

    def classify(self, image: Tensor, grid: ModelGridImage) -> npt.NDArray[np.integer[Any]]:
        """Return the class of every voxel."""
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

        del grid
        predictor: Any = nnUNetPredictor(
            tile_step_size=1.0 - self.model.preprocessing.overlap,
            use_gaussian=True,
            use_mirroring=False,
            perform_everything_on_device=True,
            device=self.device,
            verbose=False,
            allow_tqdm=False,
        )
        heads = SimpleNamespace(num_segmentation_heads=self.model.network_config.num_classes)
        plans = SimpleNamespace(get_label_manager=lambda _: heads)
        configuration = SimpleNamespace(patch_size=self.window)
        predictor.manual_initialization(_Module(self.network), plans, configuration, None, {}, "", None)
        logits = predictor.predict_sliding_window_return_logits(image)
        return np.asarray(logits.argmax(0).cpu().numpy())


CONTENDERS: dict[str, type[Contender]] = {
    "VQSeg": Vqseg,
    "plain loop": PlainLoop,
    "MONAI": Monai,
    "nnU-Net": NnUNet,
}


def count_windows(name: str, model: SegmentationModel, volume: Volume) -> int:
    """Return how many windows a contender computes."""
    grid = resample_to_model_grid(volume, model.preprocessing)
    if name == "VQSeg":
        from VQSegLib.inference.preprocessing import compute_body_box

        body = compute_body_box(grid.array, grid.spacing_mm_kji, model.preprocessing)
        return len(lay_windows(body, grid.shape_kji, model, None))
    whole = model.preprocessing.model_copy(update={"body_threshold_hu": None})
    return len(lay_windows(Box.whole(grid.shape_kji), grid.shape_kji, _with(model, whole), None))


class _Module(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._function = function

    def forward(self, images: Tensor) -> Tensor:
        return self._function(images)


def _with(model: SegmentationModel, preprocessing: Any) -> SegmentationModel:
    changed: Any = SimpleNamespace(
        network=model.network, network_config=model.network_config, preprocessing=preprocessing, labels=model.labels
    )
    result: SegmentationModel = changed
    return result


def _gaussian(window: tuple[int, ...]) -> npt.NDArray[np.float32]:
    weight = np.ones(window)
    for axis, side in enumerate(window):
        offsets = np.arange(side) - (side - 1) / 2
        along = np.exp(-0.5 * (offsets / (_SIGMA * side)) ** 2)
        weight *= along.reshape([-1 if other == axis else 1 for other in range(len(window))])
    return weight.astype(np.float32)


def _windows(shape: tuple[int, ...], window: tuple[int, ...], overlap: float) -> Iterator[tuple[slice | int, ...]]:
    """Yield the places of windows in ``(K, J, I)``; a 2-D window has an index first."""
    starts = []
    for side, length in zip(shape[3 - len(window) :], window, strict=True):
        step = max(1, round(length * (1 - overlap)))
        starts.append(sorted({min(start, side - length) for start in range(0, side - length + step, step)}))
    sides = [slice(None)] if len(window) == 3 else []
    for first in [None] if sides else range(shape[0]):
        for at in product(*starts):
            place = tuple(slice(start, start + length) for start, length in zip(at, window, strict=True))
            yield place if first is None else (first, *place)
