"""Networks prepared for answering on one device in one precision: the same answers with less work."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from VQSegLib.models.code_lookup import CodeLookup
from VQSegLib.models.coded_network import CodedNetwork
from VQSegLib.models.folded_layers import to_channels_last
from VQSegLib.models.network import VQSegNet
from VQSegLib.models.precision import autocasting
from VQSegLib.models.prepared_conv import PreparedConvNet, can_prepare
from VQSegLib.models.prepared_transformer import PreparedTransformer, can_prepare_transformer

if TYPE_CHECKING:
    from VQSegLib.models.dinov2 import Dinov2Encoder


@torch.no_grad()
def prepare_network(network: nn.Module, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """Return what answers as a network in evaluation mode does, from float32 images to logits.

    Later changes of the network's weights are not seen. Of a :class:`VQSegNet` it is a :class:`CodedNetwork`.

    Args:
        network: On its device.
        dtype: Type convolutions run in.
    """
    if not isinstance(network, VQSegNet):
        return _Plain(network, dtype)
    return PreparedConvNet(network, dtype) if can_prepare(network) else _PreparedModules(network, dtype)


class _Plain:
    """Any module, as it is."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        self._network, self._dtype = network, dtype

    def __call__(self, images: Tensor) -> Tensor:
        with autocasting(images.device, self._dtype):
            logits: Tensor = self._network(images)
        return logits


class _PreparedModules(CodedNetwork):
    """The modules of a network with their weights in one type and the codes computed once."""

    def __init__(self, network: VQSegNet, dtype: torch.dtype) -> None:
        # Autocast would convert every weight in every pass.
        decoder: Any = copy.deepcopy(network.segmentation_decoder).to(dtype)
        if network.config.spatial_dims == 2:
            decoder = decoder.to(memory_format=torch.channels_last)
        self._decoder = decoder
        self._encoder: Callable[[Tensor], list[Tensor]]
        if can_prepare_transformer(network.encoder):
            self._encoder = PreparedTransformer(cast("Dinov2Encoder", network.encoder), dtype)
        else:
            encoder = copy.deepcopy(network.encoder).to(dtype)
            self._encoder = lambda images: encoder(to_channels_last(images.to(dtype)))
        self.lookup = None if network.quantizer is None else CodeLookup(network.quantizer, dtype)

    def encode(self, images: Tensor) -> list[Tensor]:
        return self._encoder(images)

    def share(self, features: Sequence[Tensor]) -> list[Tensor | None]:
        return list(features[:-1])

    def decode(self, shared: Sequence[Tensor | None], coarsest: Tensor, size: Sequence[int]) -> Tensor:
        features = [one for one in shared if one is not None]
        logits: Tensor = self._decoder([*features, coarsest], size)
        return logits
