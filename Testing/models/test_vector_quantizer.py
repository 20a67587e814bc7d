"""Quantizers: nearest codes, losses, gradients, and what training does to the codes."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from VQSegLib.models.codebook_usage import compute_codebook_usage
from VQSegLib.models.config import QuantizerConfig
from VQSegLib.models.usage_loss import usage_loss
from VQSegLib.models.vector_quantizer import (
    EMAQuantizer,
    SimVQ,
    VectorQuantizer,
    build_quantizer,
    straight_through,
)

KINDS = ["simvq", "ema"]


def build(kind: str, dim: int = 6, code_dim: int = 6, size: int = 12) -> VectorQuantizer:
    torch.manual_seed(3)
    return build_quantizer(dim, QuantizerConfig(kind=kind, codebook_size=size, code_dim=code_dim))


def features(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_kinds_are_the_classes() -> None:
    assert isinstance(build("simvq"), SimVQ)
    assert isinstance(build("ema"), EMAQuantizer)


def test_straight_through_copies_the_gradient_unchanged() -> None:
    latents, codes = features(5, 3).requires_grad_(), features(5, 3, seed=1).requires_grad_()
    out = straight_through(latents, codes)
    assert torch.allclose(out, codes)
    weights = features(5, 3, seed=2)
    (out * weights).sum().backward()
    assert torch.equal(latents.grad, weights)
    assert codes.grad is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_at_the_features_is_the_one_at_the_decoders_input(kind: str) -> None:
    quantizer = build(kind).train()
    z = features(2, 6, 4, 4).requires_grad_()
    result = quantizer(z)
    result.quantized.retain_grad()
    (result.quantized * features(2, 6, 4, 4, seed=1)).tanh().sum().backward()
    assert torch.allclose(z.grad, result.quantized.grad)
    assert bool((z.grad != 0).any())


def test_only_the_codebook_and_usage_losses_train_the_codebook_map() -> None:
    quantizer = build("simvq")
    z = features(2, 6, 4, 4)
    result = quantizer(z)
    # nothing to differentiate: the task's path to the map is cut, the features need no gradient here
    assert not result.quantized.requires_grad
    (gradient,) = torch.autograd.grad(result.commitment_loss, quantizer.projection.weight)
    assert bool((gradient != 0).any())
    (gradient,) = torch.autograd.grad(usage_loss(result.latents, quantizer.codes()), quantizer.projection.weight)
    assert bool((gradient != 0).any())
    assert not quantizer.codebook.requires_grad


def test_the_loss_is_codebook_plus_a_quarter_commitment() -> None:
    quantizer = build("simvq")
    z = features(1, 6, 3, 3)
    result = quantizer(z)
    codes = quantizer.codes()[result.indices].movedim(-1, 1)
    assert float(result.commitment_loss.detach()) == pytest.approx(
        1.25 * float((codes - z).detach().square().mean()), rel=1e-5
    )


def test_the_features_are_pulled_by_the_commitment_term_alone() -> None:
    quantizer = build("simvq")
    z = features(1, 6, 3, 3).requires_grad_()
    result = quantizer(z)
    result.commitment_loss.backward()
    codes = quantizer.codes()[result.indices].movedim(-1, 1).detach()
    assert torch.allclose(z.grad, 0.25 * 2 * (z - codes).detach() / z.numel(), atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code_dim", [6, 4])
def test_indices_lead_back_to_the_features(kind: str, code_dim: int) -> None:
    quantizer = build(kind, code_dim=code_dim).eval()
    result = quantizer(features(2, 6, 3, 4, 5))
    assert result.indices.shape == (2, 3, 4, 5)
    assert result.quantized.shape == (2, 6, 3, 4, 5)
    assert result.latents.shape == (2, 3, 4, 5, code_dim)
    assert torch.allclose(quantizer.indices_to_features(result.indices), result.quantized, atol=1e-5)
    codes = functional.embedding(result.indices, quantizer.codes())
    assert torch.allclose(quantizer.requantize(result.latents, codes), result.quantized, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code_dim", [6, 4])
def test_a_slice_and_a_volume_of_one_slice_give_the_same(kind: str, code_dim: int) -> None:
    quantizer = build(kind, code_dim=code_dim).eval()
    z = features(2, 6, 5, 7)
    flat, volume = quantizer(z), quantizer(z.unsqueeze(2))
    assert torch.equal(flat.indices, volume.indices.squeeze(1))
    assert torch.equal(flat.quantized, volume.quantized.squeeze(2))
    assert torch.equal(flat.commitment_loss, volume.commitment_loss)


@pytest.mark.parametrize("kind", KINDS)
def test_evaluation_changes_no_buffer(kind: str) -> None:
    quantizer = build(kind).eval()
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    quantizer(features(2, 6, 4, 4))
    assert all(torch.equal(value, before[name]) for name, value in quantizer.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_perplexity_stays_between_one_and_the_size(kind: str) -> None:
    quantizer = build(kind)
    for seed in range(5):
        usage = compute_codebook_usage(quantizer(features(2, 6, 4, 4, seed=seed)).indices, 12)
        assert 1 <= usage.perplexity <= 12


@pytest.mark.parametrize("size", [64, 8192], ids=["few codes", "many codes"])
def test_autocast_changes_no_code(size: int) -> None:
    quantizer = build("simvq", dim=16, code_dim=8, size=size).eval()
    z = features(2, 16, 6, 6)
    exact = quantizer(z)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = quantizer(z)
        codes = quantizer.codes()
        again = quantizer.requantize(mixed.latents, functional.embedding(mixed.indices, codes))
    assert torch.equal(mixed.indices, exact.indices)
    assert torch.equal(mixed.codes, codes)
    assert codes.dtype == again.dtype == torch.float32
    assert torch.allclose(again, exact.quantized, atol=1e-6)


@pytest.fixture
def own_and_oracle() -> tuple[SimVQ, torch.nn.Module]:
    """Our SimVQ and that of vector-quantize-pytorch with the same weights (no bias, no rotation trick)."""
    package = pytest.importorskip("vector_quantize_pytorch", reason="the oracle package is not installed")
    oracle = package.SimVQ(dim=6, codebook_size=12, channel_first=True, rotation_trick=False)
    own = build("simvq")
    with torch.no_grad():
        own.codebook.copy_(oracle.frozen_codebook)
        own.projection.weight.copy_(oracle.code_transform.weight)
        own.projection.bias.zero_()
    return own, oracle


def test_own_simvq_equals_the_package(own_and_oracle: tuple[SimVQ, torch.nn.Module]) -> None:
    own, oracle = own_and_oracle
    for shape in ((2, 6, 5, 5), (2, 6, 3, 4, 5)):
        z = features(*shape)
        quantized, indices, loss = oracle(z)
        result = own(z)
        assert torch.equal(result.indices, indices)
        assert torch.allclose(result.quantized, quantized, atol=1e-6)
        assert float(result.commitment_loss.detach()) == pytest.approx(float(loss.detach()), rel=1e-5)


def test_gradients_of_own_simvq_equal_those_of_the_package(own_and_oracle: tuple[SimVQ, torch.nn.Module]) -> None:
    own, oracle = own_and_oracle
    z = features(2, 6, 5, 5)
    theirs, ours = z.clone().requires_grad_(), z.clone().requires_grad_()
    oracle(theirs)[2].backward()
    own(ours).commitment_loss.backward()
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-7)
    assert torch.allclose(own.projection.weight.grad, oracle.code_transform.weight.grad, atol=1e-6)


def test_ema_codes_start_as_features_of_the_first_batch() -> None:
    quantizer = build("ema").train()
    z = features(1, 6, 5, 5)
    result = quantizer(z)
    tokens = z.movedim(1, -1).reshape(-1, 6)
    chosen = result.quantized.movedim(1, -1).reshape(-1, 6)
    # what the decoders see are the codes before this batch moved them: features of the batch
    assert torch.allclose(torch.cdist(chosen, tokens).min(1).values, torch.zeros(25), atol=1e-3)
    assert bool(quantizer.initialized)


def test_ema_codes_move_to_the_mean_of_their_features() -> None:
    quantizer = build("ema", dim=2, code_dim=2, size=2).train()
    centers = torch.tensor([[5.0, 5.0], [-5.0, 0.0]])
    for seed in range(400):
        tokens = centers[torch.arange(64) % 2] + 0.1 * features(64, 2, seed=seed)
        quantizer(tokens.T.reshape(1, 2, 8, 8))
    assert torch.allclose(torch.cdist(centers, quantizer.codes()).min(1).values, torch.zeros(2), atol=0.1)


@pytest.mark.parametrize(("decay", "steps"), [(0.99, 500), (0.9, 50)])
def test_a_dead_ema_code_is_revived(decay: float, steps: int) -> None:
    torch.manual_seed(3)
    config = QuantizerConfig(kind="ema", codebook_size=4, code_dim=2, decay=decay)
    quantizer = build_quantizer(2, config).train()
    z = features(1, 2, 8, 8)
    quantizer(z)
    with torch.no_grad():
        quantizer.codebook[1] = 1000.0
        quantizer.sums[1] = 1000.0 * quantizer.counts[1]
    for _ in range(steps):
        quantizer(z)
    assert float(quantizer.codes().abs().max()) < 10
    assert compute_codebook_usage(quantizer.eval()(z).indices, 4).active_codes == 1


def test_the_ema_codebook_gets_no_gradient_and_only_the_commitment_loss_counts() -> None:
    quantizer = build("ema").train()
    z = features(1, 6, 4, 4).requires_grad_()
    result = quantizer(z)
    distance = (result.quantized - z).detach().square().mean()
    assert float(result.commitment_loss.detach()) == pytest.approx(0.25 * float(distance), rel=1e-5)
    result.commitment_loss.backward()
    assert z.grad is not None
    assert not list(quantizer.parameters())
