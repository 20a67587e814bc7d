"""Codes of a quantizer that no longer learns."""

import pytest
import torch

from VQSegLib.models.code_lookup import CodeLookup
from VQSegLib.models.config import QuantizerConfig
from VQSegLib.models.vector_quantizer import build_quantizer


@pytest.mark.parametrize("kind", ["simvq", "ema"])
@pytest.mark.parametrize("code_dim", [4, 12])
def test_codes_and_features_are_those_of_the_quantizer(kind, code_dim):
    torch.manual_seed(0)
    quantizer = build_quantizer(12, QuantizerConfig(kind=kind, codebook_size=32, code_dim=code_dim)).eval()
    lookup = CodeLookup(quantizer, torch.float32)
    z = torch.randn(2, 12, 3, 4, 5)
    with torch.no_grad():
        quantized = quantizer(z)
        assert torch.equal(lookup.find(z), quantized.indices)
        torch.testing.assert_close(lookup.look_up(quantized.indices), quantized.quantized, rtol=1e-4, atol=1e-5)


def test_the_shortlist_of_a_large_codebook_holds_the_nearest_code():
    torch.manual_seed(0)
    quantizer = build_quantizer(48, QuantizerConfig(codebook_size=8192, code_dim=48)).eval()
    z = torch.nn.functional.layer_norm(torch.randn(4, 16, 16, 48), (48,)).movedim(-1, 1)
    with torch.no_grad():
        rough = CodeLookup(quantizer, torch.bfloat16).find(z)
        assert torch.equal(rough, quantizer(z).indices)
