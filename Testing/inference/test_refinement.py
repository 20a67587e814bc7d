"""Learning from corrected slices of one scan."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from VQSegLib.errors import Cancelled, ConfigError, UserError, VolumeError
from VQSegLib.inference import refinement_windows
from VQSegLib.inference.predictor import Predictor
from VQSegLib.inference.refinement import refine
from VQSegLib.inference.refinement_learning import RefinementSettings
from VQSegLib.volume import Volume

FIELDS = {"patch_size": (16, 16, 16)}
QUICK = RefinementSettings(steps=6, learning_rate=1e-2, reach=4)
THOROUGH = RefinementSettings(steps=40, learning_rate=1e-2, consistency_weight=0.0, kept_change=1.0)


@pytest.fixture(scope="module")
def ct() -> Volume:
    """Two kinds of tissue in air."""
    array = np.full((24, 28, 30), -600, np.int16)
    array[4:20, 6:22, 5:25] = 0
    array[4:20, 10:18, 8:16] = 300
    noise = np.random.default_rng(0).integers(-20, 20, array.shape).astype(np.int16)
    return Volume(array + noise, np.diag([-2.0, -2.0, 3.0, 1.0]))


@pytest.fixture(scope="module")
def truth(ct) -> Volume:
    """What the clinician draws: the dense tissue is 9."""
    return ct.with_array(np.where(ct.array > 150, 9, 0).astype(np.uint8))


@pytest.fixture
def model(make_vq_model):
    return make_vq_model(values=(4, 9), **FIELDS)


def run(model, ct, truth, slices_k=(7, 12), **options):
    options = {"settings": QUICK, "device": "cpu", "precision": "float32"} | options
    return refine(model, ct, truth, slices_k, **options)


def overlap(label_map: np.ndarray, truth: Volume, without: tuple[int, ...]) -> float:
    keep = [k for k in range(len(label_map)) if k not in without]
    found, drawn = label_map[keep] == 9, truth.array[keep] == 9
    return 2 * np.count_nonzero(found & drawn) / max(1, np.count_nonzero(found) + np.count_nonzero(drawn))


def test_the_other_slices_come_nearer_to_what_was_drawn(model, ct, truth):
    before = Predictor(model, device="cpu", precision="float32").predict(ct).label_map.array
    result = run(model, ct, truth, settings=THOROUGH)
    assert overlap(before, truth, (7, 12)) < 0.5
    assert overlap(result.prediction.label_map.array, truth, (7, 12)) > 0.8
    assert result.loss_after < result.loss_before
    assert result.windows > 0


def test_corrected_slices_are_returned_as_they_were_drawn(model, ct):
    rng = np.random.default_rng(1)
    drawn = ct.with_array(rng.choice([0, 4, 9], ct.shape_kji).astype(np.uint8))
    result = run(model, ct, drawn, slices_k=(12, 7, 23, 7))
    assert result.slices_k == (7, 12, 23)
    np.testing.assert_array_equal(result.prediction.label_map.array[[7, 12, 23]], drawn.array[[7, 12, 23]])
    assert not np.array_equal(result.prediction.label_map.array[8], drawn.array[8])
    assert result.prediction.label_map.has_geometry_of(ct)
    assert set(np.unique(result.prediction.label_map.array)) <= {0, 4, 9}


def test_the_model_stays_as_it_was_to_the_bit(model, ct, truth):
    model.network.train()
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    needed = [parameter.requires_grad for parameter in model.network.parameters()]
    run(model, ct, truth)
    assert model.network.training
    assert all(torch.equal(before[name], value) for name, value in model.network.state_dict().items())
    assert [parameter.requires_grad for parameter in model.network.parameters()] == needed
    assert all(parameter.grad is None for parameter in model.network.parameters())


def test_what_is_not_in_the_corrected_slices_teaches_nothing(model, ct, truth):
    scribbled = truth.with_array(np.full_like(truth.array, 4))
    scribbled.array[[7, 12]] = truth.array[[7, 12]]
    once, again = run(model, ct, truth), run(model, ct, scribbled)
    np.testing.assert_array_equal(once.prediction.label_map.array, again.prediction.label_map.array)


def test_a_seed_decides_everything(model, ct, truth):
    once, again = run(model, ct, truth), run(model, ct, truth)
    np.testing.assert_array_equal(once.prediction.label_map.array, again.prediction.label_map.array)
    assert once.loss_after == again.loss_after


def test_consistency_holds_the_rest_back(model, ct, truth):
    before = Predictor(model, device="cpu", precision="float32").predict(ct).label_map.array
    changed = [
        np.count_nonzero(run(model, ct, truth, settings=settings).prediction.label_map.array != before)
        for settings in (
            RefinementSettings(steps=10, learning_rate=1e-2, consistency_weight=0.0),
            RefinementSettings(steps=10, learning_rate=1e-2, consistency_weight=100.0),
        )
    ]
    assert changed[1] < changed[0]


@pytest.mark.parametrize(("order", "flips"), [((0, 2, 1), (True, False, True)), ((0, 1, 2), (False, True, False))])
def test_storage_order_does_not_change_the_answer(model, ct, truth, store_otherwise, order, flips):
    turned_k = [ct.shape_kji[0] - 1 - k if flips[0] else k for k in (7, 12)]
    straight = run(model, ct, truth).prediction.label_map
    turned = run(model, store_otherwise(ct, order, flips), store_otherwise(truth, order, flips), turned_k)
    np.testing.assert_array_equal(turned.prediction.label_map.array, store_otherwise(straight, order, flips).array)


def test_slices_along_another_anatomical_axis_teach_as_well(model, ct, truth, store_otherwise):
    sagittal, drawn = (store_otherwise(one, (2, 0, 1), (False, True, False)) for one in (ct, truth))
    result = run(model, sagittal, drawn, (10, 13), settings=THOROUGH)
    assert overlap(result.prediction.label_map.array, drawn, (10, 13)) > 0.7


@pytest.mark.parametrize("spacing", [(5.0, 4.0, 4.0), (2.0, 1.5, 1.5)])
def test_corrections_are_brought_to_the_grid_of_the_model(make_vq_model, ct, truth, spacing):
    model = make_vq_model(values=(4, 9), spacing_mm_kji=spacing, **FIELDS)
    result = run(model, ct, truth, (7, 8, 12), settings=THOROUGH)
    np.testing.assert_array_equal(result.prediction.label_map.array[[7, 8, 12]], truth.array[[7, 8, 12]])
    assert overlap(result.prediction.label_map.array, truth, (7, 8, 12)) > 0.5


@pytest.mark.parametrize("fields", [{"dims": 2, "patch_size": None}, {"dims": 2, "patch_size": (16, 16)}])
def test_a_2d_model_learns_as_well(make_vq_model, ct, truth, fields):
    model = make_vq_model(values=(4, 9), **fields)
    result = run(model, ct, truth, settings=THOROUGH)
    assert overlap(result.prediction.label_map.array, truth, (7, 12)) > 0.7


def test_an_empty_slice_teaches_that_there_is_nothing(model, ct):
    nothing = ct.with_array(np.zeros(ct.shape_kji, np.uint8))
    before = Predictor(model, device="cpu", precision="float32").predict(ct).label_map.array
    after = run(model, ct, nothing, settings=THOROUGH).prediction.label_map.array
    assert np.count_nonzero(after) < 0.2 * np.count_nonzero(before)


def test_what_was_erased_far_away_is_looked_at_when_the_proposal_is_known(model, ct):
    drawn, proposal = (ct.with_array(np.zeros(ct.shape_kji, np.uint8)) for _ in range(2))
    drawn.array[:, 12:14, 10:12] = 9
    proposal.array[:, 1, 1] = 4
    proposal.array[:, 26, 28] = 4
    near, all_of_it = run(model, ct, drawn), run(model, ct, drawn, proposal=proposal)
    assert all_of_it.windows > near.windows


def test_memory_for_windows_is_bounded(model, ct, monkeypatch):
    drawn = ct.with_array(np.full(ct.shape_kji, 9, np.uint8))
    many = run(model, ct, drawn).windows
    monkeypatch.setattr(refinement_windows, "_MOST_BYTES", 1)
    assert run(model, ct, drawn).windows == 1 < many


def test_all_of_the_corrected_slices_take_turns_when_memory_is_bounded(model, ct, monkeypatch):
    """The windows kept are not all of the first slice."""
    drawn = ct.with_array(np.full(ct.shape_kji, 9, np.uint8))
    seen = []
    original = refinement_windows.WindowEncoder._encode
    monkeypatch.setattr(
        refinement_windows.WindowEncoder,
        "_encode",
        lambda self, plane, *rest: seen.append(plane.index) or original(self, plane, *rest),
    )
    monkeypatch.setattr(refinement_windows, "_MOST_BYTES", 200_000)
    run(model, ct, drawn)
    assert seen[:2] == [7, 12]


@pytest.mark.parametrize("stage", ["Learning from corrections", "Segmenting"])
def test_cancelling_stops_between_steps(model, ct, truth, stage):
    stages = []
    with pytest.raises(Cancelled):
        run(
            model, ct, truth,
            on_progress=lambda _fraction, told, _left: stages.append(told),
            cancelled=lambda: stages.count(stage) >= 3,
        )  # fmt: skip
    assert stages.count(stage) == 3


def test_progress_rises_to_one_with_a_call_for_each_step(model, ct, truth):
    calls = []
    result = run(model, ct, truth, on_progress=lambda *call: calls.append(call))
    fractions = [fraction for fraction, _, _ in calls]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert sum(stage == "Learning from corrections" for _, stage, _ in calls) >= QUICK.steps
    assert {"Preparing", "Learning from corrections", "Segmenting"} <= result.prediction.seconds_by_stage.keys()


def test_corrections_that_do_not_fit_are_refused(model, ct, truth):
    with pytest.raises(UserError, match="no corrected slice was given"):
        run(model, ct, truth, slices_k=())
    with pytest.raises(UserError, match="Corrected slice 24 is not in the scan, whose slices are 0 to 23"):
        run(model, ct, truth, slices_k=(3, 24))
    moved = Volume(truth.array, np.diag([-2.0, -2.0, 3.5, 1.0]))
    with pytest.raises(VolumeError, match="does not lie on the voxels of the scan"):
        run(model, ct, moved)
    unknown = truth.with_array(np.full_like(truth.array, 77))
    with pytest.raises(VolumeError, match="hold label value 77, which the model does not know; its values are 4, 9"):
        run(model, ct, unknown)


def test_another_network_is_refused(make_model, ct, truth):
    with pytest.raises(UserError, match="no decoder that could learn"):
        run(make_model(nn.Conv3d(1, 3, 1), values=(4, 9), **FIELDS), ct, truth)


def test_less_is_changed_where_less_of_the_learned_is_kept(model, ct, truth):
    before = Predictor(model, device="cpu", precision="float32").predict(ct).label_map.array
    changed = []
    for kept in (0.1, 1.0):
        after = run(model, ct, truth, settings=replace(THOROUGH, kept_change=kept)).prediction.label_map.array
        changed.append(np.count_nonzero(after != before))
    assert 0 < changed[0] < changed[1]


def test_learning_in_bfloat16_works_too(model, ct, truth):
    result = run(model, ct, truth, precision="bfloat16", settings=THOROUGH)
    assert result.loss_after < result.loss_before
    assert result.prediction.precision == "bfloat16"


@pytest.mark.parametrize(
    "fields",
    [
        {"kept_change": 0.0},
        {"kept_change": 1.1},
        {"steps": 0},
        {"learning_rate": 0.0},
        {"consistency_weight": -1.0},
        {"reach": -1},
    ],
)
def test_impossible_settings_are_refused(fields):
    with pytest.raises(ConfigError, match="Refinement needs"):
        RefinementSettings(**fields)


def test_a_model_without_a_quantizer_learns_as_well(make_vq_model, ct, truth):
    model = make_vq_model(values=(4, 9), quantizer=False, **FIELDS)
    result = run(model, ct, truth)
    assert result.loss_after < result.loss_before


def test_gradients_are_switched_on_for_a_caller_who_switched_them_off(model, ct, truth):
    with torch.no_grad():
        result = run(model, ct, truth)
    assert result.loss_after < result.loss_before


def test_nothing_of_the_volume_is_changed(model, ct, truth):
    before = SimpleNamespace(ct=ct.array.copy(), truth=truth.array.copy())
    run(model, ct, truth)
    np.testing.assert_array_equal(ct.array, before.ct)
    np.testing.assert_array_equal(truth.array, before.truth)
