"""Networks prepared for answering on one device in one precision: the same answers with less work."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from VQSegLib.models.code_lookup import CodeLookup
from VQSegLib.models.coded_network import CodedNetwork
from VQSegLib.models.folded_layers import to_channels_last
from VQSegLib.models.network import VQSegNet
from VQSegLib.models.precision import autocasting
from VQSegLib.models.prepared_conv import PreparedConvNet, can_prepare


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
        self._dtype = dtype
        encoder, decoder = network.encoder, network.segmentation_decoder
        if dtype != torch.float32:
            # Autocast would convert every weight in every pass.
            encoder, decoder = (copy.deepcopy(module).to(dtype) for module in (encoder, decoder))
        self._encoder, self._decoder = encoder, decoder
        self.lookup = None if network.quantizer is None else CodeLookup(network.quantizer, dtype)

    def encode(self, images: Tensor) -> list[Tensor]:
        features: list[Tensor] = self._encoder(to_channels_last(images.to(self._dtype)))
        return features

    def share(self, features: Sequence[Tensor]) -> list[Tensor | None]:
        return list(features[:-1])

    def decode(self, shared: Sequence[Tensor | None], coarsest: Tensor, size: Sequence[int]) -> Tensor:
        features = [one for one in shared if one is not None]
        logits: Tensor = self._decoder([*features, coarsest], size)
        return logits
