"""The worker as its users have it: real processes, real messages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from VQSegLib import wire
from VQSegLib.wire import Failure, Notification, Request, WireArray, WireError, encode
from VQSegLib.wire_client import BlockingClient, RequestFailed

ROOT = Path(__file__).resolve().parent.parent
WORKER = [sys.executable, "-m", "VQSegLib.worker"]
AFFINE = [[-1.0, 0, 0, 10], [0, -1.0, 0, 20], [0, 0, 3.0, -30], [0, 0, 0, 1]]
ALTERED = """
import ctypes, os, sys, time
print("before the start", flush=True)
from VQSegLib.worker import run
from VQSegLib.scan_service import ScanService
plain = ScanService.segment_volume
def altered(self, *arguments, device, **options):
    if device.startswith("do: "):
        exec(device[4:])
        device = "cpu"
    return plain(self, *arguments, device=device, **options)
ScanService.segment_volume = altered
run()
"""
"""A worker that does what a test asks it to before it segments."""
SLEEP = "do: time.sleep(3)"
posix_only = pytest.mark.skipif(os.name == "nt", reason="passes file descriptors as POSIX does")


def start(command: list[str] = WORKER, **environment: str) -> BlockingClient:
    """Start a worker from the checkout."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2", "PYTHONUTF8": "1", **environment}
    return BlockingClient(command, env=env, timeout_seconds=60)


def send_volume(client: BlockingClient, array: np.ndarray, affine: Any = AFFINE, slab: int = 4) -> str:
    """Send a scan in slabs without waiting between them; return its id."""
    geometry = {"shape_kji": array.shape, "affine_ijk_to_ras": affine}
    volume = client.request("volume/open", {"geometry": geometry, "dtype": array.dtype.str})["volume"]
    starts = range(0, len(array), slab)
    asked = [
        client.start(
            "volume/slab", {"volume": volume, "start_k": k, "array": WireArray.from_numpy(array[k : k + slab])}
        )
        for k in starts
    ]
    received = [client.wait(number)["received_slices"] for number in asked]
    assert received[-1] == len(array)
    return str(volume)


def to_label_map(answer: dict[str, Any], shape_kji: tuple[int, ...]) -> np.ndarray:
    """Put the cropped masks of an answer back into a label map."""
    label_map = np.zeros(shape_kji, np.uint8)
    for label in answer["labels"]:
        if label["extent_ijk"] is not None:
            i0, i1, j0, j1, k0, k1 = label["extent_ijk"]
            mask = np.frombuffer(label["array"].data, label["array"].dtype).reshape(label["array"].shape)
            assert mask.shape == (k1 - k0 + 1, j1 - j0 + 1, i1 - i0 + 1)
            assert set(np.unique(mask)) <= {0, 1}
            assert label["voxels"] == mask.sum()
            label_map[k0 : k1 + 1, j0 : j1 + 1, i0 : i1 + 1][mask == 1] = label["value"]
    return label_map


def is_running(pid: int) -> bool:
    """Whether a process lives; one that is dead and not yet collected does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition."""
    ends = time.monotonic() + seconds
    while not condition() and time.monotonic() < ends:
        time.sleep(0.02)
    return condition()


def give_up_after(seconds: float) -> Callable[[Notification], None]:
    """Return a listener that fails the test when a request goes on for too long although progress still comes."""
    ends = time.monotonic() + seconds

    def listen(_: Notification) -> None:
        assert time.monotonic() < ends

    return listen


@pytest.fixture(scope="module")
def worker() -> Iterator[BlockingClient]:
    """Worker shared by the tests that leave it as it was."""
    with start([sys.executable, "-c", ALTERED]) as client:
        yield client


@pytest.fixture(scope="module")
def small(worker: BlockingClient) -> str:
    """A small scan the shared worker holds."""
    return send_volume(worker, np.random.default_rng(3).integers(-1000, 1000, (6, 24, 32), dtype=np.int16))


def test_it_introduces_itself(worker: BlockingClient) -> None:
    import platform

    hello = worker.request("initialize", {"client": "test", "protocol": wire.PROTOCOL})
    assert hello["protocol"] == wire.PROTOCOL
    assert hello["host"] == platform.node()
    assert {"initialize", "models/list", "segment", "volume/slab", "shutdown"} <= set(hello["capabilities"])
    assert "not a medical device" in hello["research_use"]
    devices = hello["device"]["available"]
    assert hello["device"]["default"] == devices[0]["id"]
    assert devices[-1]["id"] == "cpu"
    assert all(device["memory_bytes"] > 1e8 and device["name"] for device in devices)


def test_models_are_listed_with_labels_and_problems(worker: BlockingClient, tiny_model: Path) -> None:
    broken = tiny_model.parent / "broken.safetensors"
    broken.write_bytes(b"nothing")
    try:
        models = {
            m["path_name"]: m for m in worker.request("models/list", {"folder": str(tiny_model.parent)})["models"]
        }
    finally:
        broken.unlink()
    tiny = models["tiny.safetensors"]
    assert (tiny["id"], tiny["name"], tiny["problem"]) == (str(tiny_model), "tiny", None)
    assert [(label["value"], label["name"]) for label in tiny["labels"]] == [(2, "Cord"), (5, "Larynx")]
    assert "broken.safetensors" in models["broken.safetensors"]["problem"]
    assert worker.request("models/show", {"model": tiny["id"]})["card"]["name"] == "tiny"
    assert isinstance(worker.request("models/list")["models"], list)


def test_library_command_line_and_worker_give_the_same_label_map(
    run_process, scan: Path, tiny_model: Path, tmp_path: Path
) -> None:
    import torch

    from VQSegLib.image_files import load_label_map, load_volume
    from VQSegLib.inference.predictor import Predictor
    from VQSegLib.models.checkpoint import load_checkpoint

    image, output, threads = load_volume(scan), tmp_path / "labels.nii.gz", str(torch.get_num_threads())
    library = Predictor(load_checkpoint(tiny_model)).predict(image).label_map.array
    done = run_process("segment", scan, "--model", tiny_model, "--output", output, OMP_NUM_THREADS=threads)
    assert done.returncode == 0, done.stderr
    # Slicer may hold a CT as float64; what is stored in fewer bytes must give the same.
    with start(OMP_NUM_THREADS=threads) as worker:
        for array in (image.array, image.array.astype(np.float64)):
            volume = send_volume(worker, array, image.affine_ijk_to_ras.tolist())
            answer = worker.request("segment", {"volume": volume, "model": str(tiny_model)})
            np.testing.assert_array_equal(to_label_map(answer, image.shape_kji), library)
            worker.request("volume/close", {"volume": volume})
    np.testing.assert_array_equal(load_label_map(output).array, library)
    assert len(np.unique(library)) > 1


def test_segment_answers_in_full(worker: BlockingClient, small: str, tiny_model: Path) -> None:
    stages: list[str] = []
    request = {"volume": small, "model": str(tiny_model), "device": "cpu"}
    answer = worker.request("segment", request, lambda note: stages.append(note.params["stage"]))
    assert [label["name"] for label in answer["labels"]] == ["Cord", "Larynx"]
    assert {"value", "name", "color", "category", "type", "modifier"} <= set(answer["labels"][0])
    assert (answer["device"], answer["notes"]) == ("cpu", [])
    assert answer["precision"] in ("float32", "bfloat16")
    assert answer["seconds"] > 0
    assert "Segmenting" in answer["seconds_by_stage"]
    assert stages[-1] == "Done"


def test_outside_the_region_of_interest_nothing_is_found(worker: BlockingClient, small: str, tiny_model: Path) -> None:
    roi = {"start_kji": [1, 4, 5], "stop_kji": [3, 12, 9]}
    answer = worker.request("segment", {"volume": small, "model": str(tiny_model), "roi": roi})
    found = [label for label in answer["labels"] if label["extent_ijk"] is not None]
    assert found
    for label in found:
        i0, i1, j0, j1, k0, k1 = label["extent_ijk"]
        assert (k0 >= 1, j0 >= 4, i0 >= 5, k1 < 3, j1 < 12, i1 < 9) == (True,) * 6


def test_a_label_that_is_not_there_has_no_array(worker: BlockingClient, tiny_model: Path) -> None:
    volume = send_volume(worker, np.full((3, 3, 3), -1000, np.int16))
    labels = worker.request("segment", {"volume": volume, "model": str(tiny_model)})["labels"]
    missing = [label for label in labels if label["voxels"] == 0]
    assert missing
    assert all(label["extent_ijk"] is None and "array" not in label for label in missing)


GEOMETRY = {"shape_kji": [3, 3, 3], "affine_ijk_to_ras": AFFINE}


@pytest.mark.parametrize(
    ("method", "params", "code", "words"),
    [
        ("nonsense", {}, wire.UNKNOWN_METHOD, "known are cases/add"),
        ("initialize", {"client": "old", "protocol": 99}, wire.USER_ERROR, "speaks protocol 1"),
        ("initialize", {}, wire.INVALID_PARAMS, "'client'"),
        ("models/show", {"model": "nix"}, wire.USER_ERROR, "no model 'nix'"),
        ("models/show", {"model": "nix", "more": 1}, wire.INVALID_PARAMS, "'more'"),
        ("models/list", {"folder": "/no/such/folder"}, wire.USER_ERROR, "no folder"),
        (
            "volume/open",
            {"geometry": {**GEOMETRY, "shape_kji": [0, 3, 3]}, "dtype": "<i2"},
            wire.INVALID_PARAMS,
            "shape",
        ),
        ("volume/open", {"geometry": GEOMETRY, "dtype": "<c8"}, wire.INVALID_PARAMS, "'dtype'"),
        (
            "volume/open",
            {"geometry": {**GEOMETRY, "shape_kji": [10**6] * 3}, "dtype": "<i2"},
            wire.USER_ERROR,
            "memory",
        ),
        (
            "volume/open",
            {"geometry": {**GEOMETRY, "affine_ijk_to_ras": [[0.0] * 4] * 4}, "dtype": "<i2"},
            wire.USER_ERROR,
            "invertible",
        ),
        ("volume/slab", {"volume": "v", "start_k": 0, "array": 3}, wire.INVALID_PARAMS, "'array'"),
        ("volume/close", {"volume": "v"}, wire.USER_ERROR, "no scan 'v'"),
        ("segment", {"volume": "v", "model": "m"}, wire.USER_ERROR, "no scan 'v'"),
        ("segment", {"volume": "v"}, wire.INVALID_PARAMS, "'model'"),
    ],
)
def test_a_wrong_request_is_one_sentence(
    worker: BlockingClient, method: str, params: dict[str, Any], code: int, words: str
) -> None:
    with pytest.raises(RequestFailed, match=words) as failed:
        worker.request(method, params)
    assert failed.value.code == code
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"model": "nix"}, "no model"), ({"device": "tpu"}, "Unknown device"), ({"roi": [[9] * 3, [10] * 3]}, "outside")],
)
def test_a_wrong_segment_request_is_one_sentence(
    worker: BlockingClient, small: str, tiny_model: Path, change: dict[str, Any], words: str
) -> None:
    if "roi" in change:
        change = {"roi": {"start_kji": change["roi"][0], "stop_kji": change["roi"][1]}}
    with pytest.raises(RequestFailed, match=words) as failed:
        worker.request("segment", {"volume": small, "model": str(tiny_model), **change})
    assert failed.value.code == wire.USER_ERROR


@pytest.mark.parametrize(
    ("slab", "start_k"),
    [
        (np.zeros((2, 3, 3), "i2"), 2),
        (np.zeros((1, 2, 3), "i2"), 0),
        (np.zeros((3, 3), "i2"), 0),
        (np.zeros((1, 3, 3)), 0),
    ],
)
def test_a_slab_that_does_not_fit_is_refused(worker: BlockingClient, slab: np.ndarray, start_k: int) -> None:
    volume = worker.request("volume/open", {"geometry": GEOMETRY, "dtype": "<i2"})["volume"]
    array = WireArray.from_numpy(slab)
    with pytest.raises(RequestFailed, match="does not fit"):
        worker.request("volume/slab", {"volume": volume, "start_k": start_k, "array": array})


@pytest.mark.parametrize(
    ("array", "affine", "words"),
    [
        (np.zeros((2, 9, 9), "i2"), AFFINE, "at least 3 slices"),
        (np.full((3, 9, 9), np.nan, "f4"), AFFINE, "not finite"),
        (np.zeros((3, 9, 9), "i2"), [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "perpendicular"),
    ],
)
def test_what_is_no_scan_is_refused(
    worker: BlockingClient, tiny_model: Path, array: np.ndarray, affine: Any, words: str
) -> None:
    volume = send_volume(worker, array, affine)
    with pytest.raises(RequestFailed, match=words):
        worker.request("segment", {"volume": volume, "model": str(tiny_model)})


def test_a_scan_with_missing_slices_is_refused(worker: BlockingClient, tiny_model: Path) -> None:
    volume = worker.request("volume/open", {"geometry": GEOMETRY, "dtype": "<i2"})["volume"]
    with pytest.raises(RequestFailed, match="Only 0 of 3 slices"):
        worker.request("segment", {"volume": volume, "model": str(tiny_model)})


def test_segment_may_be_asked_before_the_slabs_are_answered(worker: BlockingClient, tiny_model: Path) -> None:
    volume = worker.request("volume/open", {"geometry": GEOMETRY, "dtype": "<i2"})["volume"]
    for k in range(3):
        array = WireArray.from_numpy(np.zeros((1, 3, 3), "<i2"))
        worker.start("volume/slab", {"volume": volume, "start_k": k, "array": array})
    assert worker.request("segment", {"volume": volume, "model": str(tiny_model)})["seconds"] > 0


def test_bad_frames_are_answered_and_the_worker_goes_on() -> None:
    damaged = [
        b"Traceback (most recent call last)\n",
        b"Content-Length: 2\r\n\r\n{]",
        b"Content-Length: 99999999999\r\n\r\n",
        b'Content-Length: 46\r\nAttachment-Lengths: 9000000\r\n\r\n{"jsonrpc":"2.0","id":77,"method":"models/list"}',
        b"Content-Length: 5000\r\n\r\n{",
    ]
    with start() as client:
        for data in damaged:
            client.send_bytes([data])
            number = client.start("models/list")  # a frame that is cut short is noticed by what follows it
            with pytest.raises(RequestFailed) as failed:
                client.wait(number)
            assert failed.value.code in (wire.PARSE_ERROR, wire.INVALID_REQUEST)
            assert "models" in client.wait(number)
        client.send(Notification("unknown"))
        client.send(Notification("cancel", {"id": [1]}))
        client.send(Failure(3, 4, "nobody asked"))
        assert "models" in client.request("models/list")
        client.send_bytes([b"Content-Length: 5000\r\n\r\n{"])
        assert client.close() == 0


def test_the_same_id_twice_is_refused(worker: BlockingClient, small: str, tiny_model: Path) -> None:
    number = worker.start("segment", {"volume": small, "model": str(tiny_model), "device": SLEEP})
    worker.send(Request(number, "models/list"))
    with pytest.raises(RequestFailed, match="use another id"):
        worker.wait(number)
    assert worker.wait(number)["labels"]


def test_nothing_a_library_prints_gets_between_the_messages(
    worker: BlockingClient, small: str, tiny_model: Path
) -> None:
    noise = """do:
print("from print")
os.write(1, b"from a file descriptor\\n")
os.system("echo from a child" if os.name == "nt" else "echo from a child; cat")
sys.stdin.read()
if os.name == "posix":
    ctypes.CDLL(None).puts(b"from C")
    ctypes.CDLL(None).fflush(None)
"""
    request = {"volume": small, "model": str(tiny_model), "device": noise.replace("do:\n", "do: \n")}
    assert worker.request("segment", request, give_up_after(20))["labels"]
    # What is printed before the worker's first line cannot be kept out, as a login banner; it is skipped.
    assert [bad.text.strip() for bad in worker.skipped] == [b"before the start"]
    expected = ["from print", "from a file descriptor", "from a child"] + ["from C"] * (os.name == "posix")
    assert wait_until(lambda: all(line in worker.log for line in expected), 2.0), worker.log


def test_stdout_is_taken_before_anything_heavy_is_imported() -> None:
    code = """
        import sys
        import VQSegLib.worker, VQSegLib.worker.main as main
        def take():
            heavy = {"torch", "numpy", "pydantic", "SimpleITK", "monai", "scipy", "typer"} & set(sys.modules)
            raise SystemExit(f"imported: {sorted(heavy)}")
        main.take_standard_streams = take
        main.run()
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.stderr.strip() == "imported: []"


def test_progress_comes_at_least_once_a_second_even_when_the_work_says_nothing(
    worker: BlockingClient, small: str, tiny_model: Path
) -> None:
    notes: list[tuple[float, dict[str, Any]]] = []
    began = time.monotonic()
    worker.request(
        "segment",
        {"volume": small, "model": str(tiny_model), "device": SLEEP},
        lambda note: notes.append((time.monotonic(), note.params)),
    )
    moments = [began, *(moment for moment, _ in notes), time.monotonic()]
    assert moments[-1] - moments[0] > 3.0
    assert max(np.diff(moments)) < 1.0
    fractions = [params["fraction"] for _, params in notes]
    assert fractions == sorted(fractions)
    assert {"id", "fraction", "stage", "seconds_left"} == set(notes[0][1])


def test_cancel_is_answered_at_once_and_the_next_request_is_served(
    worker: BlockingClient, small: str, tiny_model: Path
) -> None:
    request = {"volume": small, "model": str(tiny_model)}
    number = worker.start("segment", {**request, "device": SLEEP})
    time.sleep(0.3)
    assert cancel(worker, number) < 1.0
    assert worker.request("segment", request)["labels"]
    worker.cancel(number)  # too late or unknown: nothing happens
    assert "models" in worker.request("models/list")


def cancel(client: BlockingClient, number: int) -> float:
    """Cancel a request and return how long the answer took, seconds."""
    began = time.monotonic()
    client.cancel(number)
    with pytest.raises(RequestFailed) as failed:
        client.wait(number)
    assert failed.value.code == wire.CANCELLED
    return time.monotonic() - began


def test_cancel_on_a_real_sized_scan_takes_less_than_a_second(worker: BlockingClient, tiny_model: Path) -> None:
    array = np.random.default_rng(5).integers(-1000, 1000, (120, 512, 512), dtype=np.int16)
    volume = send_volume(worker, array, slab=16)
    request = {"volume": volume, "model": str(tiny_model)}
    for delay in (0.0, 0.3, 1.0):
        number = worker.start("segment", request)
        time.sleep(delay)
        assert cancel(worker, number) < 1.0
    small = {**request, "roi": {"start_kji": [0, 0, 0], "stop_kji": [2, 64, 64]}}
    assert worker.request("segment", small)["labels"]
    worker.request("volume/close", {"volume": volume})


def test_quick_requests_are_answered_while_a_long_one_runs_and_a_second_long_one_is_not(
    worker: BlockingClient, small: str, tiny_model: Path
) -> None:
    request = {"volume": small, "model": str(tiny_model)}
    number = worker.start("segment", {**request, "device": SLEEP})
    time.sleep(0.2)
    began = time.monotonic()
    worker.request("models/list")
    worker.request("initialize", {"client": "test", "protocol": wire.PROTOCOL})
    worker.request("volume/close", {"volume": send_volume(worker, np.zeros((3, 3, 3), "<i2"))})
    with pytest.raises(RequestFailed, match="busy") as failed:
        worker.request("segment", request)
    assert failed.value.code == wire.BUSY
    assert time.monotonic() - began < 1.0
    assert worker.wait(number)["labels"]


def test_a_fault_of_ours_is_told_without_patient_data_and_the_worker_goes_on(
    worker: BlockingClient, small: str, tiny_model: Path
) -> None:
    fault = 'do: raise RuntimeError("bad shape in /data/Jane Doe/scan.nii.gz")'
    with pytest.raises(RequestFailed, match="fault of its own") as failed:
        worker.request("segment", {"volume": small, "model": str(tiny_model), "device": fault})
    assert failed.value.code == wire.FAULT
    assert "RuntimeError: bad shape" in failed.value.detail
    assert "models" in worker.request("models/list")
    assert wait_until(lambda: "RuntimeError: bad shape" in worker.log, 2.0)
    for text in (failed.value.detail, worker.log):
        assert "Jane" not in text
        assert "Doe" not in text


@pytest.mark.parametrize(
    ("error", "words"),
    [("MemoryError()", "Memory is not enough"), ("ImportError('gone', name='torch')", "'torch' is missing")],
)
def test_what_the_machine_lacks_is_one_sentence(
    worker: BlockingClient, small: str, tiny_model: Path, error: str, words: str
) -> None:
    with pytest.raises(RequestFailed, match=words) as failed:
        worker.request("segment", {"volume": small, "model": str(tiny_model), "device": f"do: raise {error}"})
    assert failed.value.code == wire.USER_ERROR


def test_vqseg_worker_is_the_same_door_and_shutdown_ends_it() -> None:
    with start([sys.executable, "-m", "VQSegLib.cli", "worker"]) as client:
        assert "models" in client.request("models/list")
        assert client.request("shutdown") == {}
        assert client.process.wait(5) == 0
        with pytest.raises(WireError, match="ended"):
            client.request("models/list")


@pytest.mark.parametrize("is_busy", [False, True])
def test_it_ends_when_stdin_closes(tiny_model: Path, is_busy: bool) -> None:
    with start([sys.executable, "-c", ALTERED]) as client:
        volume = send_volume(client, np.zeros((3, 3, 3), "<i2"))
        if is_busy:
            client.start("segment", {"volume": volume, "model": str(tiny_model), "device": SLEEP})
            time.sleep(0.3)
        began = time.monotonic()
        assert client.close() == 0
        assert time.monotonic() - began < 2.0


@posix_only
def test_it_ends_when_nobody_reads_its_answers() -> None:
    process = subprocess.Popen(WORKER, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.close()
    process.stdin.write(b"".join(bytes(part) for part in encode(Request(1, "models/list"))))
    process.stdin.flush()
    assert process.wait(20) == 0
    process.communicate()


PARENT = """
import sys, time
import numpy as np
from test_worker import ALTERED, SLEEP, send_volume, start
client = start([sys.executable, "-c", ALTERED])
volume = send_volume(client, np.zeros((3, 3, 3), "<i2"))
if sys.argv[1] == "busy":
    client.start("segment", {"volume": volume, "model": sys.argv[2], "device": SLEEP.replace("3", "30")})
print(client.process.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("is_busy", [False, True])
def test_no_orphan_is_left_when_the_parent_is_killed(tiny_model: Path, is_busy: bool) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "Testing")])}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, "busy" if is_busy else "idle", str(tiny_model)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    time.sleep(0.3)
    assert is_running(pid)
    parent.kill()
    parent.communicate()
    assert wait_until(lambda: not is_running(pid), 3.0)


@posix_only
def test_no_orphan_is_left_when_another_process_keeps_the_pipe_open() -> None:
    code = """
        import subprocess, sys, time
        stdin, stdout = int(sys.argv[1]), int(sys.argv[2])
        worker = subprocess.Popen([sys.executable, "-m", "VQSegLib.worker"], stdin=stdin, stdout=stdout)
        print(worker.pid, flush=True)
        time.sleep(60)
    """
    stdin, held = os.pipe()
    answers, stdout = os.pipe()
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(stdin), str(stdout)],
        cwd=ROOT,
        pass_fds=(stdin, stdout),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    for part in encode(Request(1, "models/list")):
        os.write(held, part)
    assert os.read(answers, 100).startswith(b"Content-Length")
    parent.kill()
    parent.communicate()
    try:
        assert wait_until(lambda: not is_running(pid), 4.0)
    finally:
        for fd in (stdin, stdout, held, answers):
            os.close(fd)


def test_a_worker_killed_in_the_middle_is_one_sentence(tiny_model: Path) -> None:
    with start([sys.executable, "-c", ALTERED]) as client:
        volume = send_volume(client, np.zeros((3, 3, 3), "<i2"))
        number = client.start("segment", {"volume": volume, "model": str(tiny_model), "device": SLEEP})
        time.sleep(0.2)
        os.kill(client.process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        with pytest.raises(WireError, match="ended") as failed:
            client.wait(number)
        assert "\n" not in str(failed.value)


@posix_only
@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_a_closed_stream_is_one_sentence(closed: str) -> None:
    command = f"exec '{sys.executable}' -m VQSegLib.worker {closed}"
    result = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "one of them is closed" in result.stderr
    assert len(result.stderr.splitlines()) == 1
