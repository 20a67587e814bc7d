"""DINOv2 vision transformer as encoder, through transformers (Oquab et al. 2023, arXiv 2304.07193)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from VQSegLib.errors import ConfigError

if TYPE_CHECKING:
    from VQSegLib.models.config import Dinov2EncoderConfig

LAYER_NORM_EPS = 1e-6

_POSITION_OFFSET = 0.1
"""DINOv2 adds it to the number of patches before it scales the position embedding, against rounding down."""

_SIZE_FIELDS = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "patch_size",
    "image_size",
    "num_channels",
    "mlp_ratio",
    "layer_norm_eps",
    "use_swiglu_ffn",
)

_STABLE_NAMES = (
    ("attention.attention.query", "attention.query"),
    ("attention.attention.key", "attention.key"),
    ("attention.attention.value", "attention.value"),
    ("attention.output.dense", "attention.output"),
    ("attention.q_proj", "attention.query"),
    ("attention.k_proj", "attention.key"),
    ("attention.v_proj", "attention.value"),
    ("attention.o_proj", "attention.output"),
)
"""Names of transformers 4 and 5, and the ones our model files use, which must not change with transformers."""


class Dinov2Encoder(nn.Module):
    """Four feature maps of one scale from a DINOv2 transformer; the last one is meant to be quantized.

    ``state_dict`` uses names of our own, so that model files do not depend on the version of transformers.

    Args:
        config: Size of the transformer. With ``weights`` set, they are loaded; without, the start is random.
        in_channels: Channels of the input; pre-trained weights need 3.

    Raises:
        ConfigError: transformers is missing, or the weights cannot be loaded or are of another size.

    Attributes:
        size_divisor: Multiple that each input side must have, per spatial axis.
    """

    def __init__(self, config: Dinov2EncoderConfig, in_channels: int) -> None:
        super().__init__()
        self.layers = config.layers
        self.patch_size = config.patch_size
        self.size_divisor = (config.patch_size, config.patch_size)
        self.backbone: nn.Module = _build_backbone(config, in_channels)
        self.register_state_dict_post_hook(_to_stable_names)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_from_stable_names)  # type: ignore[no-untyped-call]
        if config.weights is not None:
            self.load_pretrained(config.weights)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return one ``(B, hidden_size, H / patch_size, W / patch_size)`` map per chosen block, early to late.

        Args:
            x: ``(B, in_channels, H, W)``, sides a multiple of ``patch_size``.
        """
        backbone: Any = self.backbone
        height, width = x.shape[2] // self.patch_size, x.shape[3] // self.patch_size
        hidden = backbone.encoder(self._embed(x, height, width), output_hidden_states=True).hidden_states
        features = []
        for layer in self.layers:
            # Entry 0 is the embedding. The class token carries no place and is dropped.
            tokens = backbone.layernorm(hidden[layer + 1])[:, 1:]
            features.append(tokens.transpose(1, 2).reshape(x.shape[0], -1, height, width))
        return features

    def load_pretrained(self, source: str) -> None:
        """Replace all weights by pre-trained ones.

        Args:
            source: Local folder (``config.json`` and ``model.safetensors``) or hub id.

        Raises:
            ConfigError: One sentence: not there, not DINOv2, incomplete, or of another size.
        """
        from safetensors import SafetensorError
        from transformers import Dinov2Model

        backbone: Any = self.backbone
        loader: Any = Dinov2Model
        _check_config(source, backbone.config)
        try:
            pretrained, info = loader.from_pretrained(source, use_safetensors=True, output_loading_info=True)
        except (OSError, ValueError, RuntimeError, SafetensorError) as exc:
            raise ConfigError(_no_weights(source, exc)) from exc
        missing = sorted(info["missing_keys"])
        if missing:
            # transformers fills them with random numbers and only warns.
            msg = f"The encoder weights '{source}' lack {len(missing)} tensors, first '{missing[0]}'; choose others."
            raise ConfigError(msg)
        # The mask token is used in pre-training only.
        state = {name: tensor.float() for name, tensor in pretrained.state_dict().items() if "mask_token" not in name}
        backbone.load_state_dict(state)

    def _embed(self, x: Tensor, height: int, width: int) -> Tensor:
        """Return tokens ``(B, 1 + height * width, hidden_size)``: class token, then patches, with positions added."""
        embeddings: Any = self.backbone.embeddings
        patches = embeddings.patch_embeddings(x)
        tokens = torch.cat([embeddings.cls_token.expand(x.shape[0], -1, -1), patches], dim=1)
        positions = interpolate_positions(embeddings.position_embeddings, height, width)
        return tokens + positions.to(tokens.dtype)


def interpolate_positions(positions: Tensor, height: int, width: int) -> Tensor:
    """Resample a square grid of position embeddings as DINOv2's own code does.

    transformers resizes to the target size; DINOv2 scales by ``(n + 0.1) / side``, which samples other places.

    Args:
        positions: ``(1, 1 + side * side, hidden_size)``, class token first.
        height: Rows of patches.
        width: Columns of patches.

    Returns:
        ``(1, 1 + height * width, hidden_size)`` in float32.
    """
    positions = positions.float()
    side = round((positions.shape[1] - 1) ** 0.5)
    if (height, width) == (side, side):
        return positions
    grid = positions[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    scale = ((height + _POSITION_OFFSET) / side, (width + _POSITION_OFFSET) / side)
    grid = F.interpolate(grid, scale_factor=scale, mode="bicubic", antialias=False)
    return torch.cat([positions[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)


def stable_name(name: str) -> str:
    """Return the name our model files use for a transformers tensor name."""
    for theirs, ours in _STABLE_NAMES:
        name = name.replace(theirs, ours)
    return name


def _build_backbone(config: Dinov2EncoderConfig, in_channels: int) -> nn.Module:
    try:
        from transformers import Dinov2Config, Dinov2Model
    except ImportError as exc:
        msg = "The DINOv2 encoder needs the package transformers, which is missing; run pip install 'vqseg[teacher]'."
        raise ConfigError(msg) from exc
    return Dinov2Model(
        Dinov2Config(
            hidden_size=config.hidden_size,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            patch_size=config.patch_size,
            image_size=config.image_size,
            num_channels=in_channels,
            layer_norm_eps=LAYER_NORM_EPS,
            use_mask_token=False,
        )
    )


def _check_config(source: str, own: Any) -> None:
    """Refuse weights of another model type or size, which transformers would load in part."""
    from transformers import Dinov2Config

    try:
        fields, _ = Dinov2Config.get_config_dict(source)
        given = Dinov2Config.from_dict(fields)
    except (OSError, ValueError) as exc:
        raise ConfigError(_no_weights(source, exc)) from exc
    wanted = {"model_type": own.model_type} | {name: getattr(own, name) for name in _SIZE_FIELDS}
    found = {"model_type": fields.get("model_type")} | {name: getattr(given, name) for name in _SIZE_FIELDS}
    for name, value in wanted.items():
        if found[name] != value:
            msg = (
                f"The encoder weights '{source}' have {name} {found[name]}, but the network needs {value}; "
                f"change the network configuration or choose other weights."
            )
            raise ConfigError(msg)


def _no_weights(source: str, exc: Exception) -> str:
    place = "folder" if Path(source).is_dir() else "folder or hub id"
    reason = str(exc).split("\n", maxsplit=1)[0].rstrip(".")
    return (
        f"No DINOv2 weights can be loaded from the {place} '{source}' ({reason}); "
        f"give a folder with config.json and model.safetensors."
    )


def _to_stable_names(module: nn.Module, state: dict[str, Any], prefix: str, _metadata: dict[str, Any]) -> None:
    del module
    for name in [name for name in state if name.startswith(prefix)]:
        state[prefix + stable_name(name[len(prefix) :])] = state.pop(name)


def _from_stable_names(module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    for name, _parameter in [*module.named_parameters(), *module.named_buffers()]:
        ours = prefix + stable_name(name)
        if ours in state:
            state[prefix + name] = state.pop(ours)
