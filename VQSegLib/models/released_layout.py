"""Import of checkpoints released by the VQ-Seg authors (repository script-Yang/VQ-Seg), read without running code."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from VQSegLib.errors import ModelFileError
from VQSegLib.labels import Label, LabelTable
from VQSegLib.models.card import ModelCard
from VQSegLib.models.config import Dinov2EncoderConfig, NetworkConfig, PreprocessingConfig, QuantizerConfig
from VQSegLib.models.released_names import released_names

if TYPE_CHECKING:
    from torch import Tensor

CITATION = "VQ-Seg, NeurIPS 2025, arXiv 2601.10124"
IMAGENET = PreprocessingConfig(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
_DESCRIPTION = (
    "Imported from a released VQ-Seg checkpoint. The file states neither the intensity window nor the meaning of its "
    "classes; both are as chosen at import."
)

_PATCH_SIZE = 14
_HEAD_DIM = 64
"""Width of an attention head in every DINOv2 model."""

_BLOCKS_USED = {12: (2, 5, 8, 11), 24: (4, 11, 17, 23)}
"""Number of transformer blocks to the ones whose output the release uses (small and base, large)."""

_REQUIRED = ("backbone.pos_embed", "head.scratch.output_conv.2.weight", "vq.codebook.weight")
"""Tensors that only a released VQ-Seg network has together."""

_UNUSED = ("backbone.mask_token", "head.scratch.refinenet4.resConfUnit1.", "vq.code_use_count", "vq.total_tokens")
"""Stored but without influence: pre-training only, a unit never called, usage statistics."""

_PALETTE = ((230, 25, 75), (60, 180, 75), (0, 130, 200), (245, 130, 48), (145, 30, 180), (70, 240, 240))


def import_released(
    path: Path,
    out_path: Path,
    *,
    labels: LabelTable | None,
    name: str,
    preprocessing: PreprocessingConfig = IMAGENET,
) -> ModelCard:
    """Convert a released ``.pth`` file into a model file.

    Args:
        path: ``torch.save`` of a state dict; read without running code.
        out_path: Model file to create.
        labels: Meaning of the classes; None numbers them.
        name: Name of the new model.
        preprocessing: The release scales a slice to [0, 1], repeats it into RGB and applies ImageNet's mean and std.

    Returns:
        The card of the new model file.

    Raises:
        ModelFileError: One sentence: missing, unsafe, damaged, of another network, or the label table does not fit.
    """
    from VQSegLib.models.checkpoint import build_untrained, load_tensors, save_checkpoint

    path = Path(path)
    source = f"The checkpoint {path}"
    state = read_state_dict(path)
    config = infer_network_config(state, source)
    network = build_untrained(config)
    load_tensors(network, convert_state_dict(state, source), source)
    labels = labels or _numbered_labels(config.num_classes)
    if labels.num_classes != config.num_classes:
        msg = (
            f"{source} has {config.num_classes - 1} classes without background, the label table "
            f"{labels.num_classes - 1}; give a table that fits."
        )
        raise ModelFileError(msg)
    card = ModelCard(
        name=name,
        description=_DESCRIPTION,
        network=config,
        preprocessing=preprocessing,
        labels=labels,
        license="Not stated in the checkpoint.",
        citation=CITATION,
    )
    save_checkpoint(out_path, network, card)
    return card


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a pickled state dict without running code; wrappers (``{"model": ...}``, ``module.``) are removed.

    Raises:
        ModelFileError: The file is missing, damaged, not a checkpoint, or would have to run code to be read.
    """
    import torch

    try:
        with path.open("rb") as stream:
            is_pickle = stream.read(4).startswith((b"PK\x03\x04", b"\x80"))
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True) if is_pickle else None
    except FileNotFoundError:
        msg = f"There is no checkpoint {path}; check the name."
        raise ModelFileError(msg) from None
    except pickle.UnpicklingError as exc:
        msg = (
            f"The checkpoint {path} is not imported because it holds more than tensors and reading it could run code; "
            f"ask for a file with the plain state_dict."
        )
        raise ModelFileError(msg) from exc
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as exc:
        msg = f"The checkpoint {path} is damaged or cut short and cannot be read; copy or download it again."
        raise ModelFileError(msg) from exc
    return _unwrap(loaded, path)


def infer_network_config(state: dict[str, Tensor], source: str) -> NetworkConfig:
    """Return the configuration the shapes imply.

    Raises:
        ModelFileError: The tensors are not those of a released VQ-Seg network.
    """
    absent = [name for name in _REQUIRED if name not in state]
    num_layers = _count_blocks(state)
    if absent or num_layers not in _BLOCKS_USED:
        reason = f"it lacks '{absent[0]}'" if absent else f"it has {num_layers} transformer blocks"
        msg = f"{source} is not a released VQ-Seg network ({reason}); only those can be imported."
        raise ModelFileError(msg)
    try:
        return _config_of_shapes({name: tuple(tensor.shape) for name, tensor in state.items()}, num_layers)
    except (KeyError, IndexError, ValueError) as exc:
        msg = f"{source} lacks tensors of the released network or has them in another shape; choose another file."
        raise ModelFileError(msg) from exc


def convert_state_dict(state: dict[str, Tensor], source: str) -> dict[str, Tensor]:
    """Rename the released tensors to ours, splitting the joint query-key-value matrices.

    Raises:
        ModelFileError: Tensors are missing or unknown.
    """
    names = released_names(_count_blocks(state))
    missing = sorted(names.keys() - state.keys())
    unknown = sorted(name for name in state.keys() - names.keys() if not name.startswith(_UNUSED))
    for what, wrong in (("lacks", missing), ("has unexpected", unknown)):
        if wrong:
            msg = f"{source} {what} {len(wrong)} tensors, first '{wrong[0]}': it is of another network or incomplete."
            raise ModelFileError(msg)
    converted: dict[str, Tensor] = {}
    for theirs, ours in names.items():
        converted.update(zip(ours, state[theirs].chunk(len(ours)), strict=False))
    return converted


def _unwrap(loaded: Any, path: Path) -> dict[str, Tensor]:
    import torch

    for wrapper in ("model", "state_dict"):
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    if not isinstance(loaded, dict) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        msg = f"{path} is not a torch checkpoint with a state_dict; choose the .pth file of a released VQ-Seg model."
        raise ModelFileError(msg)
    return {str(name).removeprefix("module.").removeprefix("model."): tensor for name, tensor in loaded.items()}


def _count_blocks(state: dict[str, Tensor]) -> int:
    return len({name.split(".")[2] for name in state if name.startswith("backbone.blocks.")})


def _config_of_shapes(shapes: dict[str, tuple[int, ...]], num_layers: int) -> NetworkConfig:
    _, positions, hidden = shapes["backbone.pos_embed"]
    codebook_size, code_dim = shapes["vq.codebook.weight"]
    first, second, third, fourth = (shapes[f"head.projects.{index}.weight"][0] for index in range(4))
    return NetworkConfig(
        in_channels=shapes["backbone.patch_embed.proj.weight"][1],
        num_classes=shapes["head.scratch.output_conv.2.weight"][0],
        encoder=Dinov2EncoderConfig(
            hidden_size=hidden,
            num_layers=num_layers,
            num_heads=hidden // _HEAD_DIM,
            patch_size=_PATCH_SIZE,
            image_size=round((positions - 1) ** 0.5) * _PATCH_SIZE,
            layers=_BLOCKS_USED[num_layers],
            dpt_features=shapes["head.scratch.layer1_rn.weight"][0],
            dpt_channels=(first, second, third, fourth),
        ),
        quantizer=QuantizerConfig(codebook_size=codebook_size, code_dim=code_dim),
    )


def _numbered_labels(num_classes: int) -> LabelTable:
    return LabelTable(
        labels=tuple(
            Label(value=value, name=f"Class {value}", color=_PALETTE[(value - 1) % len(_PALETTE)])
            for value in range(1, num_classes)
        )
    )
