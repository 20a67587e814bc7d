"""Presets: a method with the network, optimizer and batches that belong to it, as parts of a training configuration.

``vqseg-paper`` follows VQ-Seg (arXiv 2601.10124) where it is explicit. Its 128-pixel crop does not fit the DINOv2
encoder it names (patches of 14), and no encoder weights ship with VQSeg: the preset crops 224 pixels and uses the
convolutional encoder. PFA is off until a teacher is named: ``--set method.pfa=true`` and
``--set method.foundation_teacher=dinov2:/folder``.

``vqseg-release`` follows the authors' released trainer (script-Yang/VQ-Seg, January 2026): DINOv2-S/14 with a DPT head.
It starts from random weights unless ``network.encoder.weights`` names pre-trained ones.

``nnunet`` is method ``nnunet_recipe`` with nnU-Net's optimizer, augmentation and share of foreground (Isensee et
al., Nature Methods 2021; github MIC-DKFZ/nnUNet), in 2-D or 3-D.
"""

from __future__ import annotations

from typing import Any

from VQSegLib.methods.nnunet_recipe import NnUNetRecipeConfig
from VQSegLib.methods.vqseg_config import VQSegConfig, release_preset


def build_preset(name: str) -> dict[str, Any]:
    """Return the settings of a preset as JSON-able values.

    Args:
        name: A key of :data:`PRESETS`.
    """
    settings: dict[str, Any] = PRESETS[name]()
    return settings


def _paper() -> dict[str, Any]:
    return {
        "method": VQSegConfig().model_dump(mode="json"),
        "network": {"spatial_dims": 2, "quantizer": {"codebook_size": 16384, "code_dim": 64}},
        "optimizer": {"kind": "sgd", "learning_rate": 1e-4, "weight_decay": 3e-5, "warmup_steps": 0},
        "data": {"patch_size": [224, 224], "batch_labeled": 4, "batch_unlabeled": 4},
    }


def _release() -> dict[str, Any]:
    return {
        "method": release_preset().model_dump(mode="json"),
        "network": {
            "spatial_dims": 2,
            "in_channels": 3,
            "encoder": {"kind": "dinov2"},
            "quantizer": {"codebook_size": 16384, "code_dim": 384},
        },
        "preprocessing": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
        "optimizer": {
            "kind": "adamw",
            "learning_rate": 2e-4,
            "encoder_factor": 0.025,
            "weight_decay": 0.01,
            "warmup_steps": 0,
        },
        "data": {"patch_size": [224, 224], "batch_labeled": 8, "batch_unlabeled": 4},
    }


def _nnunet() -> dict[str, Any]:
    return {
        "method": NnUNetRecipeConfig().model_dump(mode="json"),
        "optimizer": {
            "kind": "sgd",
            "learning_rate": 0.01,
            "momentum": 0.99,
            "nesterov": True,
            "weight_decay": 3e-5,
            "warmup_steps": 0,
            "gradient_clip": 12,
        },
        "augmentation": {"rotation_degrees": 30, "scale": 0.3},
        "data": {"foreground_probability": 0.33},
    }


PRESETS = {"nnunet": _nnunet, "vqseg-paper": _paper, "vqseg-release": _release}
"""Presets by the name used on the command line."""
