"""What is segmented in the benchmark of inference: a model and a scan that every contender gets alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from VQSegLib.benchmarks.scans import enlarge, load_demo_scan
from VQSegLib.demo import MODEL_NAME
from VQSegLib.labels import Label, LabelTable
from VQSegLib.models.checkpoint import load_checkpoint
from VQSegLib.models.config import Dinov2EncoderConfig, NetworkConfig, PreprocessingConfig, QuantizerConfig
from VQSegLib.models.network import VQSegNet, build_network
from VQSegLib.models.protocol import SegmentationModel
from VQSegLib.models.vector_quantizer import VectorQuantizer, build_quantizer
from VQSegLib.resources import find_model
from VQSegLib.volume import Volume

WorkloadName = Literal["shipped", "released", "released-518"]
WORKLOADS: dict[WorkloadName, str] = {
    "shipped": "shipped 3-D model, demo CT",
    "released": "architecture of the authors' release (random weights), demo CT as slices of 224 x 224",
    "released-518": "architecture of the authors' release (random weights), demo CT as slices of 518 x 518",
}
_SIDES = {"released": 224, "released-518": 518}
_MOST_SLICES: dict[WorkloadName, int] = {"released-518": 8}
"""Where the slowest contender takes more than a second for one."""
_RELEASED_CLASSES = 4
_RELEASED_QUANTIZER = QuantizerConfig(kind="simvq", codebook_size=16_384, code_dim=384)
_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@dataclass(frozen=True)
class ReleasedModel:
    """The architecture of the authors' release: DINOv2-S/14, DPT head, 16,384 codes; weights are random."""

    network: VQSegNet
    network_config: NetworkConfig
    preprocessing: PreprocessingConfig
    labels: LabelTable


def build_workload(name: WorkloadName, slices: int | None = None) -> tuple[SegmentationModel, Volume]:
    """Return model and scan.

    No contender has to resample: the scan has the spacing the model works at.

    Args:
        name: Which of :data:`WORKLOADS`.
        slices: Only that many slices from the middle of the scan; None for all, or eight of 518 x 518.

    Raises:
        UserError: Demo scan or shipped model are missing.
    """
    scan = load_demo_scan()
    model: SegmentationModel
    if name == "shipped":
        model = load_checkpoint(find_model(MODEL_NAME))
    else:
        model = build_released_model(_SIDES[name])
        scan = enlarge(scan, (scan.shape_kji[0], _SIDES[name], _SIDES[name]))
    slices = slices or _MOST_SLICES.get(name)
    if slices is not None:
        first = (scan.shape_kji[0] - slices) // 2
        scan = Volume(scan.array[first : first + slices], scan.affine_ijk_to_ras)
    model.network.eval()
    return model, scan


def build_released_quantizer(codebook_size: int = _RELEASED_QUANTIZER.codebook_size) -> VectorQuantizer:
    """Build the released architecture's quantizer with random weights, or one with another number of codes."""
    config = _RELEASED_QUANTIZER.model_copy(update={"codebook_size": codebook_size})
    return build_quantizer(config.code_dim, config)


def build_released_model(side: int = _SIDES["released"]) -> ReleasedModel:
    """Build the released architecture with weights from a fixed seed.

    Args:
        side: Of its windows, pixels.

    Raises:
        ConfigError: The package transformers is missing.
    """
    config = NetworkConfig(
        spatial_dims=2,
        in_channels=3,
        num_classes=_RELEASED_CLASSES,
        encoder=Dinov2EncoderConfig(),
        quantizer=_RELEASED_QUANTIZER,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network(config)
    labels = tuple(Label(value=value, name=str(value), color=(255, 0, 0)) for value in range(1, _RELEASED_CLASSES))
    preprocessing = PreprocessingConfig(
        window_low=-200, window_high=500, patch_size=(side, side), overlap=0.0, **_IMAGENET
    )
    return ReleasedModel(network, config, preprocessing, LabelTable(labels=labels))
