"""DINOv2 as a frozen, slice-wise foundation teacher (the paper's choice)."""

from __future__ import annotations

import hashlib
import importlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from VQSegLib.errors import ConfigError, ModelFileError
from VQSegLib.models.foundation_frozen import DEFAULT_NUM_SLICES, FrozenTeacher

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from VQSegLib.models.config import PreprocessingConfig

logger = logging.getLogger(__name__)

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_GRID_SIDE = 16
_CLIP_QUANTILES = (0.005, 0.995)
_MIN_CLIP_RANGE = 0.05
_MAX_QUANTILE_VALUES = 2**20
_WEIGHT_FILES = "model*.safetensors"
_UNUSED_WEIGHTS = {"embeddings.mask_token"}
_ADVICE = (
    "give a local folder or a hub id of a DINOv2 model with safetensors weights, or switch the feature adapter off"
)


class Dinov2Teacher(FrozenTeacher):
    """DINOv2 through transformers: every slice becomes a 16x16 grid of patch tokens, the class token is dropped.

    A slice, or the slices of a 3-D patch together, is clipped to its 0.5-99.5 percentile, scaled to [0, 1], repeated to
    three channels, normalized with ImageNet's mean and std and resized to 16 patches a side (224 pixels for patches of
    14).

    Args:
        path_or_id: Local folder, or hub id (downloaded once; the hub's own offline switch is respected).
        preprocessing: How the network input was made from HU.
        num_slices: Slices looked at in a 3-D patch.
        local_files_only: Never reach for the network.

    Raises:
        ConfigError: The extra packages for teachers are not installed.
        ModelFileError: No weights, weights as pickle, incomplete or damaged weights, or another kind of model.
    """

    def __init__(
        self,
        path_or_id: str,
        preprocessing: PreprocessingConfig,
        num_slices: int = DEFAULT_NUM_SLICES,
        *,
        local_files_only: bool = False,
    ) -> None:
        folder = _resolve_folder(path_or_id, local_files_only=local_files_only)
        module, config = _load_backbone(folder, path_or_id)
        # the folder's name, not its path: the card leaves this machine
        shown = folder.name if Path(path_or_id).is_dir() else path_or_id
        name = f"dinov2:{shown} (sha256 {_digest(folder)[:12]})"
        super().__init__(module, name, int(config.hidden_size), preprocessing, num_slices)
        self._side = _GRID_SIDE * int(config.patch_size)
        self._num_prefix_tokens = 1 + int(getattr(config, "num_register_tokens", 0))

    def _encode(self, slabs: Tensor) -> Tensor:
        slices = _clip_to_percentiles(slabs).flatten(0, 1)
        resized = functional.interpolate(slices, (self._side, self._side), mode="bilinear", antialias=True)
        # one channel minus three means broadcasts to three channels
        mean = resized.new_tensor(_IMAGENET_MEAN).view(1, 3, 1, 1)
        std = resized.new_tensor(_IMAGENET_STD).view(1, 3, 1, 1)
        self._module.to(slabs.device)
        tokens: Tensor = self._module(pixel_values=(resized - mean) / std).last_hidden_state
        patches = tokens[:, self._num_prefix_tokens :].transpose(1, 2)
        return patches.reshape(*patches.shape[:2], _GRID_SIDE, _GRID_SIDE)


def _clip_to_percentiles(slabs: Tensor) -> Tensor:
    """Scale each image of the batch, all its slices together, to [0, 1] between its percentiles."""
    values = slabs.flatten(1)
    # torch.quantile refuses more than 2**24 values, and percentiles of a million voxels are the same
    sample = values[:, :: max(1, values.shape[1] // _MAX_QUANTILE_VALUES)]
    low, high = torch.quantile(sample, sample.new_tensor(_CLIP_QUANTILES), dim=1)
    # the floor keeps an empty slice empty instead of blowing its noise up
    span = (high - low).clamp_min(_MIN_CLIP_RANGE)
    scaled: Tensor = (values - low[:, None]) / span[:, None]
    return scaled.clamp(0.0, 1.0).view_as(slabs)


def _resolve_folder(path_or_id: str, *, local_files_only: bool) -> Path:
    """Return the local folder of the weights; a hub id is downloaded, safetensors and config only."""
    folder = Path(path_or_id)
    if folder.is_dir():
        return folder
    huggingface_hub = _import_or_explain("huggingface_hub")
    wanted = ["config.json", "*.safetensors", "*.safetensors.index.json"]
    try:
        return Path(
            huggingface_hub.snapshot_download(path_or_id, allow_patterns=wanted, local_files_only=local_files_only)
        )
    except (OSError, ValueError, huggingface_hub.errors.EntryNotFoundError) as exc:
        logger.debug("hub download of %s failed", path_or_id, exc_info=True)
        msg = (
            f"The weights of the DINOv2 teacher '{path_or_id}' are neither a folder here nor to be had "
            f"from the hub ({type(exc).__name__}); {_ADVICE}."
        )
        raise ModelFileError(msg) from exc


def _load_backbone(folder: Path, shown: str) -> tuple[nn.Module, PretrainedConfig]:
    """Load a DINOv2 backbone from a local folder; every weight must come from the file."""
    transformers = _import_or_explain("transformers")
    _require_files(folder, shown)
    classes = {
        "dinov2": transformers.Dinov2Model,
        "dinov2_with_registers": transformers.Dinov2WithRegistersModel,
    }
    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as exc:
        msg = f"The config.json of the teacher '{shown}' cannot be read ({type(exc).__name__}); {_ADVICE}."
        raise ModelFileError(msg) from exc
    if config.model_type not in classes:
        msg = f"The teacher '{shown}' is a '{config.model_type}' model, allowed are {sorted(classes)}; {_ADVICE}."
        raise ModelFileError(msg)
    safetensors = _import_or_explain("safetensors")
    try:
        module, info = classes[config.model_type].from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True, dtype=torch.float32
        )
    except (OSError, ValueError, RuntimeError, safetensors.SafetensorError) as exc:
        msg = f"The weights of the teacher '{shown}' are damaged or do not fit its config.json; {_ADVICE}."
        raise ModelFileError(msg) from exc
    # transformers fills what is missing with random numbers and only warns
    missing = sorted(set(info["missing_keys"]) - _UNUSED_WEIGHTS)
    if missing:
        msg = f"The teacher '{shown}' lacks {len(missing)} weights, the first is '{missing[0]}'; {_ADVICE}."
        raise ModelFileError(msg)
    return module, config


def _require_files(folder: Path, shown: str) -> None:
    """Refuse a folder without a config or without safetensors weights."""
    if not (folder / "config.json").is_file():
        msg = f"The folder of the teacher '{shown}' has no config.json; {_ADVICE}."
        raise ModelFileError(msg)
    if any(folder.glob(_WEIGHT_FILES)):
        return
    pickles = sorted(p.name for p in folder.iterdir() if p.suffix in {".bin", ".pt", ".pth"})
    if pickles:
        msg = f"The teacher '{shown}' has its weights only as pickle ('{pickles[0]}'), which can run code; {_ADVICE}."
        raise ModelFileError(msg)
    msg = f"The folder of the teacher '{shown}' holds no weights, and a random teacher would teach nothing; {_ADVICE}."
    raise ModelFileError(msg)


def _import_or_explain(package: str) -> Any:
    """Import an optional package only when a teacher is wanted."""
    try:
        return importlib.import_module(package)
    except ImportError as exc:
        msg = f"A DINOv2 teacher needs the package '{package}', which is missing; run: pip install 'vqseg[teacher]'."
        raise ConfigError(msg) from exc


def _digest(folder: Path) -> str:
    """Return the SHA-256 over the weight files, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob(_WEIGHT_FILES)):
        with path.open("rb") as stream:
            while block := stream.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()
