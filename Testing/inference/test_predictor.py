"""What a caller of the predictor sees."""

import logging

import numpy as np
import pytest
import torch
from torch import nn

from VQSegLib.box import Box
from VQSegLib.errors import Cancelled, ConfigError, ModelFileError, UserError
from VQSegLib.inference.predictor import Predictor
from VQSegLib.inference.window_reader import neighbor_indices
from VQSegLib.volume import Volume

LEVELS = 12
ODD_SHAPES = [
    (3, 3, 3), (4, 5, 7), (7, 5, 4), (16, 16, 16), (17, 16, 15), (1, 20, 20), (33, 8, 9), (9, 33, 8), (8, 9, 33),
    (16, 31, 16), (31, 16, 17), (24, 24, 24), (25, 23, 19), (5, 40, 6), (6, 5, 40), (40, 6, 5), (18, 18, 3),
    (13, 29, 11), (32, 32, 32), (2, 2, 50),
]  # fmt: skip


class Levels(nn.Module):
    """Identity for whole numbers: class ``c`` wins where the input is ``c``; any size_divisor can be claimed."""

    def __init__(self, num_classes: int = LEVELS + 1, size_divisor=1) -> None:
        super().__init__()
        self.classes = num_classes
        self.size_divisor = size_divisor
        self.seen: list[tuple[int, ...]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(tuple(x.shape))
        middle = x[:, x.shape[1] // 2 : x.shape[1] // 2 + 1]
        steps = torch.arange(self.classes, dtype=x.dtype).reshape(1, -1, *[1] * (x.ndim - 2))
        return -((middle - steps) ** 2)


def whole_numbers(shape, seed=0) -> Volume:
    array = np.random.default_rng(seed).integers(0, LEVELS + 1, shape).astype(np.int16)
    return Volume(array, np.diag([-0.8, -0.9, 2.0, 1.0]))


@pytest.fixture
def make_levels(make_model):
    """Build a model whose prediction equals its input of whole numbers 0..12."""

    def build(network: nn.Module | None = None, **fields):
        settings = {"window_low": 0.0, "window_high": 1.0 * LEVELS, "mean": (0.0,), "std": (1 / LEVELS,)} | fields
        return make_model(network or Levels(), values=tuple(range(1, LEVELS + 1)), **settings)

    return build


@pytest.mark.parametrize("shape", ODD_SHAPES)
@pytest.mark.parametrize("overlap", [0.5, 0.2])
def test_windows_of_an_identity_give_the_input_back_3d(make_levels, shape, overlap):
    volume = whole_numbers(shape)
    model = make_levels(Levels(size_divisor=(4, 2, 4)), patch_size=(10, 14, 12), overlap=overlap)
    result = Predictor(model, device="cpu", precision="float32").predict(volume)
    np.testing.assert_array_equal(result.label_map.array, volume.array)
    assert {seen[2:] for seen in model.network.seen} == {(12, 14, 12)}


@pytest.mark.parametrize("shape", ODD_SHAPES)
@pytest.mark.parametrize("patch_size", [None, (9, 13)])
def test_slices_of_an_identity_give_the_input_back_2d(make_levels, shape, patch_size):
    volume = whole_numbers(shape)
    model = make_levels(Levels(size_divisor=4), dims=2, patch_size=patch_size)
    result = Predictor(model, device="cpu", precision="float32").predict(volume)
    np.testing.assert_array_equal(result.label_map.array, volume.array)


def test_the_whole_volume_is_one_window_without_patch_size(make_levels):
    model = make_levels(Levels(size_divisor=8))
    Predictor(model, device="cpu").predict(whole_numbers((9, 16, 17)))
    assert model.network.seen == [(1, 1, 16, 16, 24)]


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (0.7, 0.8, 0.6), (2.0, 3.0, 1.9)])
def test_resampling_there_and_back_leaves_an_asymmetric_box_in_place(make_model, spacing):
    """A shift of half a model voxel would move the box by up to 1.5 voxels of the input."""
    array = np.zeros((40, 44, 48), dtype=np.int16)
    array[10:25, 8:30, 20:44] = 1000
    volume = Volume(array, np.diag([-1.0, -1.0, 1.0, 1.0]))
    window = {"window_low": 0.0, "window_high": 1000.0, "mean": (0.0,), "std": (1.0,)}
    model = make_model(Levels(num_classes=2), spacing_mm_kji=spacing, patch_size=(32, 32, 32), **window)
    found = Predictor(model, device="cpu", precision="float32").predict(volume).label_map.array
    center = np.argwhere(found).mean(axis=0) - np.argwhere(array).mean(axis=0)
    assert np.abs(center).max() < 0.25
    overlap = 2 * np.count_nonzero(found & (array > 0)) / (np.count_nonzero(found) + np.count_nonzero(array))
    assert overlap == 1.0 if max(spacing) < 1 else overlap > 0.93


def test_label_values_come_from_the_label_table(make_model):
    network = Levels(num_classes=4)
    model = make_model(network, values=(200, 3, 17), window_low=0.0, window_high=3.0, mean=(0.0,), std=(1 / 3,))
    volume = Volume(np.arange(64, dtype=np.int16).reshape(4, 4, 4) % 4, np.eye(4))
    label_map = Predictor(model, device="cpu").predict(volume).label_map
    assert label_map.array.dtype == np.uint8
    np.testing.assert_array_equal(label_map.array, np.array([0, 200, 3, 17])[volume.array])


def test_neighboring_slices_are_channels_and_edges_repeat(make_levels):
    class Recorder(Levels):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            channels.extend(np.rint(x[:, :, 0, 0].numpy()).astype(int).tolist())
            return super().forward(x)

    channels: list[list[int]] = []
    array = np.arange(1, 6, dtype=np.int16)[:, None, None] * np.ones((1, 4, 4), dtype=np.int16)
    volume = Volume(array, np.diag([-1.0, -1.0, 1.0, 1.0]))
    model = make_levels(Recorder(), dims=2, channels=3)
    result = Predictor(model, device="cpu", precision="float32").predict(volume)
    assert channels == [[1, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 5]]
    np.testing.assert_array_equal(result.label_map.array, array)
    assert neighbor_indices(0, 9, 5) == [0, 0, 0, 1, 2]


def test_three_means_repeat_a_slice_into_rgb(make_levels):
    model = make_levels(dims=2, channels=3, window_high=1.0 * LEVELS, mean=(0.1, 0.0, 0.2), std=(0.5, 1 / LEVELS, 0.25))
    volume = whole_numbers((4, 6, 6))
    result = Predictor(model, device="cpu", precision="float32").predict(volume)
    np.testing.assert_array_equal(result.label_map.array, volume.array)
    assert model.network.seen[0][1] == 3


def test_outside_the_region_of_interest_is_background(make_levels):
    volume = whole_numbers((20, 22, 24))
    box = Box((3, 0, 7), (12, 9, 30))
    result = Predictor(make_levels(patch_size=(8, 8, 8)), device="cpu", precision="float32").predict(volume, roi=box)
    expected = np.zeros_like(volume.array)
    expected[3:12, 0:9, 7:24] = volume.array[3:12, 0:9, 7:24]
    np.testing.assert_array_equal(result.label_map.array, expected)


def test_a_region_of_interest_costs_only_its_windows(make_levels):
    model = make_levels(dims=2)
    Predictor(model, device="cpu").predict(whole_numbers((50, 8, 8)), roi=Box((10, 0, 0), (14, 8, 8)))
    assert sum(seen[0] for seen in model.network.seen) <= 8


def test_a_region_of_interest_outside_the_volume_is_refused(make_levels):
    with pytest.raises(UserError, match="lies outside the volume"):
        Predictor(make_levels(), device="cpu").predict(whole_numbers((5, 5, 5)), roi=Box((5, 0, 0), (6, 5, 5)))


def test_only_the_body_is_computed(make_levels):
    array = np.zeros((12, 40, 40), dtype=np.int16)
    array[:, 18:24, 16:22] = 5
    array[3, 0, 0] = 9  # a speck of the table is not the body
    volume = Volume(array, np.diag([-4.0, -4.0, 4.0, 1.0]))
    model = make_levels(dims=2, body_threshold_hu=1.0)
    result = Predictor(model, device="cpu", precision="float32").predict(volume).label_map.array
    assert all(max(seen[2:]) < 16 for seen in model.network.seen)
    assert result[:, 18:24, 16:22].min() == 5
    assert result[3, 0, 0] == 0


def test_an_image_that_is_not_in_hu_is_noted(make_model):
    model = make_model(Levels(num_classes=2), window_low=-1000.0)
    volume = whole_numbers((4, 5, 6))
    assert "may not be in Hounsfield units" in Predictor(model, device="cpu").predict(volume).notes[0]
    assert Predictor(model, device="cpu").predict(volume.with_array(volume.array - 500)).notes == ()


@pytest.mark.parametrize("stop_after", [0, 1, 2])
def test_cancelling_stops_between_batches(make_levels, stop_after):
    model = make_levels(dims=2)
    predictor = Predictor(model, device="cpu", window_batch_size=2)
    with pytest.raises(Cancelled):
        predictor.predict(whole_numbers((30, 6, 6)), cancelled=lambda: len(model.network.seen) >= stop_after)
    assert len(model.network.seen) == stop_after


def test_progress_rises_to_one_with_a_call_for_each_batch(make_levels):
    calls: list[tuple[float, str, float | None]] = []
    predictor = Predictor(make_levels(dims=2, spacing_mm_kji=(1.0, 1.0, 1.0)), device="cpu", window_batch_size=4)
    result = predictor.predict(whole_numbers((20, 8, 8)), on_progress=lambda *call: calls.append(call))
    fractions = [fraction for fraction, _, _ in calls]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    segmenting = [call for call in calls if call[1] == "Segmenting"]
    assert len(segmenting) == 1 + 10
    assert all(left is not None and left >= 0 for _, _, left in segmenting[1:])
    assert {"Preparing", "Segmenting"} <= result.seconds_by_stage.keys()


class LimitedMemory(Levels):
    """Runs out of memory above a batch size, as torch does on CUDA or on the CPU."""

    def __init__(self, limit: int, error: Exception) -> None:
        super().__init__()
        self.limit, self.error = limit, error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] > self.limit:
            raise self.error
        return super().forward(x)


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: not enough memory: you tried to allocate"),
    MemoryError(),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_the_batch_is_halved_when_memory_runs_out(make_levels, error, caplog):
    volume = whole_numbers((21, 6, 6))
    model = make_levels(LimitedMemory(3, error), dims=2)
    with caplog.at_level(logging.WARNING):
        result = Predictor(model, device="cpu", precision="float32", window_batch_size=16).predict(volume)
    np.testing.assert_array_equal(result.label_map.array, volume.array)
    assert result.window_batch_size == 2
    assert len(result.notes) == 1
    assert "2 windows" in result.notes[0]
    assert "2 windows" in caplog.text


def test_memory_for_not_even_one_window_is_said_in_one_sentence(make_levels):
    model = make_levels(LimitedMemory(0, OUT_OF_MEMORY[0]), patch_size=(4, 6, 8))
    with pytest.raises(UserError, match="one window of 4 x 6 x 8 voxels"):
        Predictor(model, device="cpu").predict(whole_numbers((8, 8, 8)))


def test_the_cpu_is_the_last_resort_and_said(make_levels, monkeypatch):
    """The chosen device is faked by "meta", which every machine has and whose memory here holds nothing."""
    model = make_levels(LimitedMemory(0, OUT_OF_MEMORY[0]), dims=2)
    predictor = Predictor(model, device="cpu", window_batch_size=4, precision="float32")
    monkeypatch.setattr(predictor, "_device", torch.device("meta"))
    original = LimitedMemory.forward

    def roomy_on_cpu(self, x):
        self.limit = 4 if x.device.type == "cpu" else 0
        return original(self, x)

    monkeypatch.setattr(LimitedMemory, "forward", roomy_on_cpu)
    volume = whole_numbers((5, 6, 6))
    result = predictor.predict(volume)
    np.testing.assert_array_equal(result.label_map.array, volume.array)
    assert result.device == "cpu"
    assert "CPU was used" in result.notes[-1]


def test_other_errors_of_torch_are_not_taken_for_lack_of_memory(make_levels):
    model = make_levels(LimitedMemory(0, RuntimeError("size mismatch")), dims=2)
    with pytest.raises(RuntimeError, match="size mismatch"):
        Predictor(model, device="cpu", window_batch_size=4).predict(whole_numbers((5, 6, 6)))


def test_each_module_gets_its_own_training_mode_back(make_levels):
    network = nn.Sequential(Levels(), nn.Dropout(0.5))
    network.train()
    network[1].eval()
    seen = []
    network[0].register_forward_hook(lambda module, *_: seen.append(module.training))
    Predictor(make_levels(network), device="cpu").predict(whole_numbers((5, 5, 5)))
    assert seen == [False]
    assert network.training
    assert network[0].training
    assert not network[1].training


def test_the_same_input_gives_the_same_bits_in_both_precisions(make_model):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv3d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv3d(8, 3, 3, padding=1))
    model = make_model(network, values=(1, 2), patch_size=(16, 16, 16))
    array = np.random.default_rng(1).normal(0, 300, (20, 24, 28)).astype(np.int16)
    volume = Volume(array, np.eye(4))
    for precision in ("float32", "bfloat16"):
        first, second = (Predictor(model, device="cpu", precision=precision).predict(volume) for _ in range(2))
        np.testing.assert_array_equal(first.label_map.array, second.label_map.array)
        assert first.precision == precision


def test_the_input_is_not_changed(make_levels):
    volume = whole_numbers((6, 6, 6))
    before = volume.array.copy()
    Predictor(make_levels(body_threshold_hu=2.0, spacing_mm_kji=(1.0, 1.0, 1.0)), device="cpu").predict(volume)
    np.testing.assert_array_equal(volume.array, before)


def test_slabs_in_half_precision_give_the_same_labels(make_levels, monkeypatch):
    monkeypatch.setattr("VQSegLib.inference.slice_blending._HALF_PRECISION_ABOVE_BYTES", 0)
    volume = whole_numbers((20, 22, 24))
    result = Predictor(make_levels(patch_size=(8, 8, 8)), device="cpu", precision="float32").predict(volume)
    np.testing.assert_array_equal(result.label_map.array, volume.array)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"device": "tpu"}, "Unknown device 'tpu'; choose auto"),
        ({"device": "cuda:99"}, "'cuda:99' was asked for"),
        ({"precision": "half"}, "Unknown precision 'half'; choose one of auto"),
        ({"window_batch_size": 0}, "window_batch_size must be at least 1"),
        ({"stride": (2, 2)}, "stride needs 3 sides"),
        ({"stride": (2, 2, 9)}, "stride must not exceed"),
    ],
)
def test_impossible_options_are_refused(make_levels, options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Predictor(make_levels(patch_size=(8, 8, 8)), **{"device": "cpu", **options})


def test_a_model_that_contradicts_itself_is_refused(make_model, make_levels):
    with pytest.raises(ConfigError, match="patch_size needs 2 sides"):
        Predictor(make_levels(dims=2, patch_size=(8, 8, 8)), device="cpu")
    model = make_model(Levels(), values=(1, 2))
    wrong_table = make_model(Levels(), values=(1,)).labels
    object.__setattr__(model, "labels", wrong_table)
    with pytest.raises(ConfigError, match="3 classes, but its label table names 2"):
        Predictor(model, device="cpu")
    with pytest.raises(ModelFileError, match="instead of"):
        Predictor(make_levels(Levels(num_classes=3)), device="cpu").predict(whole_numbers((5, 5, 5)))
    with pytest.raises(ConfigError, match="takes 3 input channels"):
        Predictor(make_levels(channels=3), device="cpu").predict(whole_numbers((5, 5, 5)))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu(make_model):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv3d(1, 16, 5, padding=2), nn.ReLU(), nn.Conv3d(16, 3, 3, padding=1))
    model = make_model(network, values=(1, 2), patch_size=(24, 32, 32), spacing_mm_kji=(1.5, 1.1, 1.2))
    array = np.cumsum(np.random.default_rng(1).normal(0, 60, (60, 70, 80)), axis=1).astype(np.int16)
    volume = Volume(array, np.eye(4))
    on_cpu = Predictor(model, device="cpu", precision="float32").predict(volume).label_map.array
    for precision in ("float32", "bfloat16"):
        result = Predictor(model, device="cuda", precision=precision).predict(volume)
        assert result.device.startswith("cuda")
        assert np.mean(result.label_map.array == on_cpu) > 0.99
