"""Maps of where a model is unsure."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from VQSegLib.box import Box
from VQSegLib.errors import Cancelled, ConfigError
from VQSegLib.inference.predictor import Predictor
from VQSegLib.inference.uncertainty import UncertaintyEstimator
from VQSegLib.models.code_perturbation import CodePerturbationConfig
from VQSegLib.models.prepared_conv import PreparedConvNet
from VQSegLib.volume import Volume

OFF = CodePerturbationConfig(perturbation_rate=0.0)
FIELDS = {"patch_size": (16, 16, 16)}


@pytest.fixture(scope="module")
def ct() -> Volume:
    """Blobs of tissue in air: a network with random weights is sure in the air only."""
    rng = np.random.default_rng(0)
    array = np.full((30, 36, 33), -600.0)
    array[8:22, 10:28, 9:27] = np.cumsum(rng.normal(0, 90, (14, 18, 18)), axis=2)
    return Volume(array.astype(np.int16), np.diag([-2.0, -2.0, 3.0, 1.0]))


@pytest.fixture(scope="module")
def model(make_vq_model):
    return make_vq_model(values=(4, 9), **FIELDS)


def estimate(model, volume, **options):
    options = {"device": "cpu", "precision": "float32", "samples": 4, "max_cost": None} | options
    return UncertaintyEstimator(model, **options).estimate(volume)


@pytest.fixture(scope="module")
def found(model, ct):
    return estimate(model, ct)


def test_the_label_map_is_that_of_the_predictor(model, ct, found):
    predicted = Predictor(model, device="cpu", precision="float32").predict(ct)
    np.testing.assert_array_equal(found.prediction.label_map.array, predicted.label_map.array)
    assert set(np.unique(predicted.label_map.array)) == {0, 4, 9}


def test_maps_have_the_geometry_of_the_input_and_sensible_values(ct, found):
    for one in (found.entropy, found.disagreement):
        assert one.has_geometry_of(ct)
        assert one.array.dtype == np.float16
        assert np.isfinite(one.array).all()
        assert one.array.min() >= 0
    assert 0.5 < found.entropy.array.max() <= math.log(3) + 1e-3
    assert 0 < found.disagreement.array.max() <= 1
    assert found.samples == 4
    assert found.slices[0].score >= found.slices[-1].score > 0
    assert found.regions[0].value in {4, 9}


def test_without_perturbation_nothing_disagrees(model, ct):
    calm = estimate(model, ct, perturbation=OFF)
    assert calm.samples == 4
    assert not calm.disagreement.array.any()


def test_a_stronger_perturbation_makes_more_disagreement(model, ct):
    stronger = estimate(model, ct, perturbation=CodePerturbationConfig(perturbation_rate=1.0, temperature=1e3))
    mild = estimate(model, ct, perturbation=CodePerturbationConfig(perturbation_rate=0.1))
    assert stronger.disagreement.array.sum() > mild.disagreement.array.sum() > 0


def test_the_plain_entropy_is_that_of_the_probabilities(make_vq_model, ct):
    whole = make_vq_model(values=(4, 9))
    pad = [(0, (-side) % 2) for side in ct.shape_kji]
    array = np.pad(ct.array.astype(np.float32), pad, constant_values=-500).clip(-500, 500) / 500
    with torch.no_grad():
        probabilities = whole.network(torch.from_numpy(array)[None, None]).softmax(1)[0]
    expected = torch.special.entr(probabilities).sum(0).numpy()[: ct.shape_kji[0], : ct.shape_kji[1], : ct.shape_kji[2]]
    calm = estimate(whole, ct, perturbation=OFF)
    np.testing.assert_allclose(calm.entropy.array, expected, atol=2e-3)


def test_a_seed_decides_everything(model, ct, found):
    again, other = estimate(model, ct), estimate(model, ct, seed=1)
    np.testing.assert_array_equal(again.disagreement.array, found.disagreement.array)
    np.testing.assert_array_equal(again.entropy.array, found.entropy.array)
    assert again.regions == found.regions
    assert not np.array_equal(other.disagreement.array, found.disagreement.array)


def test_the_size_of_the_batch_changes_nothing(model, ct, found):
    one = estimate(model, ct, window_batch_size=1)
    np.testing.assert_allclose(one.disagreement.array, found.disagreement.array, atol=2e-3)


def test_the_encoder_runs_once_for_each_window(model, ct, monkeypatch):
    encoded, decoded = [], []
    encode, decode = PreparedConvNet.encode, PreparedConvNet.decode
    monkeypatch.setattr(PreparedConvNet, "encode", lambda net, x: encoded.append(len(x)) or encode(net, x))
    monkeypatch.setattr(PreparedConvNet, "decode", lambda *given: decoded.append(len(given[2])) or decode(*given))
    Predictor(model, device="cpu").predict(ct)
    plain = sum(encoded)
    encoded.clear()
    decoded.clear()
    estimate(model, ct, samples=6)
    second = sum(encoded) - plain
    assert 0 < second < plain
    assert sum(decoded) == plain + second * (1 + 6)


def test_samples_are_saved_where_they_would_cost_more_than_asked(model, ct):
    assert estimate(model, ct, samples=50, max_cost=2.0).samples < 50


@pytest.mark.parametrize(("order", "flips"), [((0, 2, 1), (True, False, True)), ((2, 0, 1), (False, True, False))])
def test_storage_order_does_not_change_the_maps(model, ct, found, order, flips, store_otherwise):
    turned = estimate(model, store_otherwise(ct, order, flips))
    for name in ("entropy", "disagreement"):
        expected = store_otherwise(getattr(found, name), order, flips)
        np.testing.assert_array_equal(getattr(turned, name).array, expected.array)
        np.testing.assert_allclose(getattr(turned, name).affine_ijk_to_ras, expected.affine_ijk_to_ras, atol=1e-9)


def test_maps_are_resampled_to_the_input(make_vq_model, ct):
    model = make_vq_model(spacing_mm_kji=(5.0, 4.0, 4.0), patch_size=(16, 16, 16))
    coarse = estimate(model, ct)
    predicted = Predictor(model, device="cpu", precision="float32").predict(ct)
    np.testing.assert_array_equal(coarse.prediction.label_map.array, predicted.label_map.array)
    assert coarse.entropy.has_geometry_of(ct)
    assert coarse.disagreement.array.any()


def test_slices_of_a_2d_model(make_vq_model, ct):
    flat = make_vq_model(dims=2)
    result = estimate(flat, ct)
    predicted = Predictor(flat, device="cpu", precision="float32").predict(ct)
    np.testing.assert_array_equal(result.prediction.label_map.array, predicted.label_map.array)
    assert result.disagreement.array.any()


def test_outside_the_region_of_interest_everything_is_sure(model, ct):
    box = Box((10, 12, 0), (20, 22, 33))
    result = UncertaintyEstimator(model, device="cpu", samples=2).estimate(ct, roi=box)
    outside = np.ones(ct.shape_kji, bool)
    outside[box.slices] = False
    for one in (result.prediction.label_map, result.entropy, result.disagreement):
        assert one.array.any()
        assert not one.array[outside].any()
    assert {found.index for found in result.slices} <= set(range(10, 20))


@pytest.mark.parametrize("kind", ["no quantizer", "another network"])
def test_without_codes_there_is_only_the_plain_entropy_and_that_is_said(make_vq_model, make_model, ct, kind):
    if kind == "no quantizer":
        plain = make_vq_model(quantizer=False, **FIELDS)
    else:
        plain = make_model(nn.Conv3d(1, 3, 3, padding=1), values=(1, 2), **FIELDS)
    result = estimate(plain, ct)
    assert result.disagreement is None
    assert result.samples == 0
    assert result.entropy.array.any()
    assert "no vector quantizer" in result.prediction.notes[-1]


def test_a_model_that_is_sure_everywhere_is_not_decoded_again(make_vq_model, ct):
    sure = make_vq_model(**FIELDS)
    sure.network.segmentation_decoder.head.bias.data[0] = 100.0
    result = estimate(sure, ct)
    assert result.samples == 0
    assert not result.disagreement.array.any()
    assert result.regions == ()


@pytest.mark.parametrize("stop_after", [1, 3])
def test_cancelling_stops_between_decodes(make_vq_model, ct, monkeypatch, stop_after):
    model = make_vq_model(**FIELDS)
    decoded = []
    decode = PreparedConvNet.decode
    monkeypatch.setattr(PreparedConvNet, "decode", lambda *given: decoded.append(1) or decode(*given))
    before = []

    def watch(_fraction, stage, _left) -> None:
        if stage == "Perturbing codes" and not before:
            before.append(len(decoded))

    def stop() -> bool:
        return bool(before) and len(decoded) - before[0] >= stop_after

    with pytest.raises(Cancelled):
        UncertaintyEstimator(model, device="cpu", samples=20).estimate(ct, on_progress=watch, cancelled=stop)
    assert len(decoded) - before[0] == stop_after


def test_progress_rises_to_one_and_lives_during_the_decodes(model, ct):
    calls = []
    UncertaintyEstimator(model, device="cpu", samples=5, max_cost=None).estimate(
        ct, on_progress=lambda *call: calls.append(call)
    )
    fractions = [fraction for fraction, _, _ in calls]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert sum(stage == "Perturbing codes" for _, stage, _ in calls) > 5


def test_the_network_is_left_as_it_was(make_vq_model, ct):
    model = make_vq_model(**FIELDS)
    model.network.train()
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    estimate(model, ct)
    assert model.network.training
    assert all(torch.equal(before[name], value) for name, value in model.network.state_dict().items())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"samples": 0}, "samples must be at least 1"), ({"max_cost": 1.0}, "max_cost must exceed 1")],
)
def test_impossible_options_are_refused(model, options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        UncertaintyEstimator(model, device="cpu", **options)
