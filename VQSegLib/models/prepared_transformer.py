"""The DINOv2 encoder, prepared for answering: factors folded in, queries, keys and values in one product."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from VQSegLib.models.dinov2 import LAYER_NORM_EPS, Dinov2Encoder, interpolate_positions
from VQSegLib.models.folded_layers import FoldedLinear

_FIRST_LINEAR = "backbone.encoder.layer.0.mlp.fc1.weight"


class PreparedTransformer:
    """Answers as a :class:`Dinov2Encoder` does in evaluation mode, up to rounding."""

    def __init__(self, encoder: Dinov2Encoder, dtype: torch.dtype) -> None:
        """Fold the encoder; later changes of its weights are not seen.

        Args:
            encoder: On its device, see :func:`can_prepare_transformer`.
            dtype: Type of weights and tokens.
        """
        weights = {name.removeprefix("backbone."): value.detach() for name, value in encoder.state_dict().items()}
        backbone: Any = encoder.backbone
        self._layers, self._side, self._dtype = encoder.layers, encoder.patch_size, dtype
        patches = weights["embeddings.patch_embeddings.projection.weight"]
        self._patches = FoldedLinear(patches.flatten(1), weights["embeddings.patch_embeddings.projection.bias"], dtype)
        self._class_token = weights["embeddings.cls_token"].float()
        self._positions = weights["embeddings.position_embeddings"]
        self._positions_of: dict[tuple[int, int], Tensor] = {}
        self._norm = _Norm(weights, "layernorm", dtype)
        self._blocks = [
            _Block(weights, f"encoder.layer.{number}", backbone.config.num_attention_heads, dtype)
            for number in range(max(encoder.layers) + 1)
        ]

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Return one ``(B, hidden_size, h, w)`` map per chosen block of ``(B, C, H, W)`` images, channels last."""
        height, width = (side // self._side for side in images.shape[2:])
        x, features = self._embed(images.to(self._dtype), height, width), []
        for number, block in enumerate(self._blocks):
            x = block(x)
            if number in self._layers:
                tokens = self._norm(x)[:, 1:].contiguous()
                features.append(tokens.unflatten(1, (height, width)).movedim(-1, 1))
        return features

    def _embed(self, images: Tensor, height: int, width: int) -> Tensor:
        """Return tokens ``(B, 1 + height * width, hidden_size)`` with positions added."""
        batch, channels = images.shape[:2]
        # A convolution whose kernel is its stride is one product per patch.
        patches = images.view(batch, channels, height, self._side, width, self._side).permute(0, 2, 4, 1, 3, 5)
        positions = self._find_positions(height, width)
        of_class = (self._class_token + positions[:, :1]).to(self._dtype).expand(batch, -1, -1)
        tokens = self._patches(patches.reshape(batch, height * width, -1))
        return torch.cat([of_class, tokens.add_(positions[:, 1:].to(self._dtype))], dim=1)

    def _find_positions(self, height: int, width: int) -> Tensor:
        if (height, width) not in self._positions_of:
            self._positions_of = {(height, width): interpolate_positions(self._positions, height, width)}
        return self._positions_of[height, width]


def can_prepare_transformer(encoder: nn.Module) -> bool:
    """Whether :class:`PreparedTransformer` knows the encoder's layers."""
    return isinstance(encoder, Dinov2Encoder) and _FIRST_LINEAR in encoder.state_dict()


class _Block:
    """A transformer block; its layer scales are folded into the products before them."""

    def __init__(self, weights: dict[str, Tensor], name: str, heads: int, dtype: torch.dtype) -> None:
        def of(part: str, kind: str) -> Tensor:
            return weights[f"{name}.{part}.{kind}"]

        self._heads = heads
        self._norms = [_Norm(weights, f"{name}.{norm}", dtype) for norm in ("norm1", "norm2")]
        parts = [f"attention.{part}" for part in ("query", "key", "value")]
        weight, bias = (torch.cat([of(part, kind) for part in parts]) for kind in ("weight", "bias"))
        self._query_key_value = FoldedLinear(weight, bias, dtype)
        scales = [of(f"layer_scale{number}", "lambda1") for number in (1, 2)]
        self._output, self._second = (
            FoldedLinear(of(part, "weight") * scale[:, None], of(part, "bias") * scale, dtype)
            for part, scale in zip(("attention.output", "mlp.fc2"), scales, strict=True)
        )
        self._first = FoldedLinear(of("mlp.fc1", "weight"), of("mlp.fc1", "bias"), dtype)

    def __call__(self, x: Tensor) -> Tensor:
        mixed = self._query_key_value(self._norms[0](x)).unflatten(2, (3, self._heads, -1))
        query, key, value = mixed.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        x = self._output.add(attended, x)
        return self._second.add(self._first.gelu(self._norms[1](x)), x)


class _Norm:
    def __init__(self, weights: dict[str, Tensor], name: str, dtype: torch.dtype) -> None:
        self._weight, self._bias = (weights[f"{name}.{kind}"].to(dtype) for kind in ("weight", "bias"))

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self._weight.shape, self._weight, self._bias, LAYER_NORM_EPS)
