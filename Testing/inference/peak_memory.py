"""Print the peak memory of one segmentation as JSON: ``python Testing/inference/peak_memory.py K J I CLASSES DIMS``.

With ``uncertainty`` as sixth word the uncertainty of a tiny network is mapped as well.

Runs in a process of its own, since the peak of a process never falls. Not a test module itself.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2]))

from VQSegLib.inference.predictor import Predictor
from VQSegLib.inference.uncertainty import UncertaintyEstimator
from VQSegLib.labels import Label, LabelTable
from VQSegLib.models.config import ConvEncoderConfig, NetworkConfig, PreprocessingConfig, QuantizerConfig
from VQSegLib.models.network import build_network as build_vq_network
from VQSegLib.volume import Volume


def peak_bytes() -> int:
    """Return the largest resident size so far of this process."""
    info = psutil.Process().memory_info()
    if hasattr(info, "peak_wset"):  # Windows
        return int(info.peak_wset)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def build_network(dims: int, classes: int) -> nn.Module:
    """Return a network as wide at full resolution as the shipped presets (32 channels)."""
    conv = nn.Conv3d if dims == 3 else nn.Conv2d
    norm = nn.InstanceNorm3d if dims == 3 else nn.InstanceNorm2d
    return nn.Sequential(
        conv(1, 32, 3, padding=1),
        norm(32),
        nn.ReLU(),
        conv(32, 32, 3, padding=1),
        norm(32),
        nn.ReLU(),
        conv(32, classes, 1),
    )


def build_codes_network(config: NetworkConfig) -> nn.Module:
    """Return a tiny network with a quantizer; its random weights are unsure nearly everywhere."""
    network = build_vq_network(config)
    network.segmentation_decoder.head.weight.data *= 100
    return network


def main() -> None:
    """Segment random int16 voxels at native spacing and print seconds and peak."""
    slices, rows, columns, classes, dims = (int(word) for word in sys.argv[1:6])
    rng = np.random.default_rng(0)
    array = np.empty((slices, rows, columns), dtype=np.int16)
    for index in range(slices):
        array[index] = rng.integers(-1000, 1000, (rows, columns), dtype=np.int16)
    labels = tuple(Label(value=value, name=str(value), color=(0, 0, 0)) for value in range(1, classes))
    with_uncertainty = sys.argv[6:] == ["uncertainty"]
    encoder = ConvEncoderConfig(channels=(8, 8), strides=((1,) * dims, (2,) * dims))
    config = NetworkConfig(
        spatial_dims=dims,
        num_classes=classes,
        encoder=encoder,
        quantizer=QuantizerConfig(codebook_size=16, code_dim=4),
    )
    model = SimpleNamespace(
        network=build_codes_network(config) if with_uncertainty else build_network(dims, classes),
        network_config=config,
        preprocessing=PreprocessingConfig(patch_size=(80, 112, 112) if dims == 3 else None, overlap=0.25),
        labels=LabelTable(labels=labels),
    )
    began = time.perf_counter()
    before = peak_bytes()
    volume = Volume(array, np.diag([-0.7, -0.7, 1.0, 1.0]))
    if with_uncertainty:
        result = UncertaintyEstimator(model, device="cpu", max_cost=None, samples=2).estimate(volume).prediction
    else:
        result = Predictor(model, device="cpu").predict(volume)
    figures = {
        "peak_gib": round(peak_bytes() / 2**30, 2),
        "before_gib": round(before / 2**30, 2),
        "seconds": round(time.perf_counter() - began, 1),
        "threads": torch.get_num_threads(),
        "batch": result.window_batch_size,
        "precision": result.precision,
        "shape": result.label_map.shape_kji,
    }
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
