"""Decode windows several times with perturbed codes; the encoder runs once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b

import torch
from torch import Tensor

from VQSegLib.box import Triple
from VQSegLib.models.code_lookup import CodeLookup
from VQSegLib.models.code_perturbation import CodePerturbationConfig, calibrate_temperature, perturb_codes
from VQSegLib.models.coded_network import CodedNetwork

_CALIBRATION_CODES = 128
"""Enough for the temperature to two digits; all 1,024 codes cost half a second."""


def entropy_nats(probabilities: Tensor, axis: int) -> Tensor:
    """Return the entropy over an axis of classes, in nats (0 to the logarithm of the number of classes)."""
    # A third of the time of torch.special.entr; the smallest normal number times its logarithm is nothing.
    logarithms = probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log_()
    return logarithms.mul_(probabilities).sum(axis).neg_()


def entropy_of_logits(logits: Tensor) -> Tensor:
    """Return the entropy ``(J, I)`` in nats of the classes that logits ``(num_classes, J, I)`` tell."""
    # Half the time of entr(softmax): its logarithm of every probability is not needed.
    log_probabilities = logits.log_softmax(0)
    return log_probabilities.exp().mul_(log_probabilities).sum(0).neg_()


class PerturbedDecodes:
    """From windows to what perturbed decodes change in the plain probabilities ``p``.

    Channels of the answer, ``p_k`` being the probabilities of decode ``k`` and ``m`` their mean:

    0. ``H(m) - H(p)`` in nats: what perturbing adds to the entropy;
    1. mean over ``k`` of ``sum_c |p_k(c) - p(c)| / 2``: the share of the probability that moves to another class; where
       all are sure, the share of decodes with another label;
    2. ones, for windows whose weights do not add up to one.

    Differences to the plain decode of the same window, so that effects of the window's border cancel, and all are zero
    when nothing is perturbed. The randomness of a window depends on the seed and its place only, not on its batch.
    """

    channels = 3

    def __init__(
        self,
        network: CodedNetwork,
        lookup: CodeLookup,
        config: CodePerturbationConfig,
        *,
        samples: int,
        seed: int,
        touch: Callable[[], None],
    ) -> None:
        """Prepare to decode.

        Args:
            network: Network on its device.
            lookup: Its codes.
            config: Rate, distance and strength of the perturbation.
            samples: Perturbed decodes per window.
            seed: Decides what is drawn.
            touch: Called before every decode; what it raises ends the work.
        """
        self._network, self._lookup, self._config = network, lookup, config
        self._samples, self._seed, self._touch = samples, seed, touch
        count = lookup.codes.shape[0]
        rows = torch.arange(0, count, max(1, count // _CALIBRATION_CODES), device=lookup.codes.device)
        self._temperature = config.temperature or calibrate_temperature(lookup.codes, rows, config)

    def __call__(self, images: Tensor, starts: Sequence[Triple]) -> Tensor:
        """Return ``(B, 3, *sides)`` of windows ``(B, C, *sides)`` that begin at ``starts``."""
        sides = images.shape[2:]
        features = self._network.encode(images)
        indices = self._lookup.find(features[-1])
        shared = self._network.share(features)
        plain = _probabilities(self._network.decode(shared, self._lookup.look_up(indices), sides))
        generators = [self._generator(start, images.device) for start in starts]
        change, moved = torch.zeros_like(plain), torch.zeros_like(plain[:, :1])
        for _ in range(self._samples):
            self._touch()
            perturbed = self._lookup.look_up(self._perturb(indices, generators))
            difference = _probabilities(self._network.decode(shared, perturbed, sides)).sub_(plain)
            change += difference
            moved += difference.abs_().sum(1, keepdim=True)
        mean = (plain + change / self._samples).clamp_(0, 1)
        added = entropy_nats(mean, 1) - entropy_nats(plain, 1)
        return torch.cat([added.unsqueeze(1), moved / (2 * self._samples), torch.ones_like(moved)], dim=1)

    def _perturb(self, indices: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        return torch.stack(
            [
                perturb_codes(of_window, self._lookup.codes, self._config, self._temperature, generator)
                for of_window, generator in zip(indices, generators, strict=True)
            ]
        )

    def _generator(self, start: Triple, device: torch.device) -> torch.Generator:
        digest = blake2b(repr((self._seed, start)).encode(), digest_size=7).digest()
        return torch.Generator(device).manual_seed(int.from_bytes(digest, "big"))


def _probabilities(logits: Tensor) -> Tensor:
    """Return the probabilities of ``(B, num_classes, *sides)``, each class side by side in memory."""
    # softmax wants them so, and would convert what is float32 already once more.
    return logits.to(torch.float32, memory_format=torch.contiguous_format).softmax(1)
