"""The messages: round trips, bad frames, pieces of any size, and an older Python with nothing installed."""

from __future__ import annotations

import ast
import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from VQSegLib import wire
from VQSegLib.wire import BadFrame, Failure, Notification, Request, Result, WireArray, WireError, encode
from VQSegLib.wire_decoder import Decoder

ROOT = Path(__file__).resolve().parent.parent
SLICER_SIDE = ["__init__", "errors", "wire", "wire_body", "wire_client", "wire_command", "wire_decoder"]
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

_arrays = st.builds(
    lambda dtype, shape, seed: WireArray(
        memoryview(np.random.default_rng(seed).bytes(wire.ITEM_BYTES[dtype] * int(np.prod(shape)))), dtype, shape
    ),
    st.sampled_from(sorted(wire.ITEM_BYTES)),
    st.lists(st.integers(0, 4), max_size=3).map(tuple),
    st.integers(0, 9),
)
_leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | _arrays
)
_values = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
_params = st.dictionaries(st.text(max_size=5), _values, max_size=3)
_ids = st.integers() | st.text(max_size=8)
_messages = (
    st.builds(Request, _ids, st.text(max_size=8), _params)
    | st.builds(Notification, st.text(max_size=8), _params)
    | st.builds(Result, _ids, _values)
    | st.builds(Failure, st.none() | _ids, st.integers(-40000, 0), st.text(max_size=9), st.text(max_size=9))
)
PING = Request(7, "ping", {"text": "ü\r\n\r\n"})


def _bytes(*messages: wire.Message) -> bytes:
    return b"".join(bytes(part) for message in messages for part in encode(message))


def _frame(body: bytes, *attachments: bytes, header: str = "") -> bytes:
    lengths = f"Attachment-Lengths: {','.join(str(len(part)) for part in attachments)}\r\n" if attachments else ""
    return (header or f"Content-Length: {len(body)}\r\n{lengths}\r\n").encode() + body + b"".join(attachments)


def _pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:stop] for start, stop in itertools.pairwise(edges)]


@QUICK
@given(st.lists(_messages, max_size=4), st.lists(st.integers(0, 10**6), max_size=6))
def test_messages_survive_the_way_in_pieces_of_any_size(messages: list[wire.Message], cuts: list[int]) -> None:
    decoder = Decoder()
    received = [message for piece in _pieces(_bytes(*messages), cuts) for message in decoder.feed(piece)]
    assert received == messages
    assert decoder.finish() == []


def test_numpy_arrays_arrive_as_they_were() -> None:
    volume = np.arange(24, dtype=">i2").reshape(2, 3, 4)[:, ::-1]
    (received,) = Decoder().feed(_bytes(Result(1, {"volume": WireArray.from_numpy(volume)})))
    array = received.result["volume"]
    back = np.frombuffer(array.data, array.dtype).reshape(array.shape)
    np.testing.assert_array_equal(back, volume)
    assert (array.dtype, array.shape) == ("<i2", (2, 3, 4))
    assert back.flags.writeable


def test_sending_a_contiguous_array_copies_nothing() -> None:
    volume = np.zeros((2, 3, 4), np.float32)
    buffer = encode(Result(1, WireArray.from_numpy(volume)))[1]
    volume[1, 2, 3] = 5
    assert np.frombuffer(buffer, "<f4")[-1] == 5


@QUICK
@given(st.binary(max_size=300), st.lists(st.integers(0, 10**6), max_size=6))
def test_any_bytes_give_the_same_whatever_the_pieces_and_never_stop_the_stream(noise: bytes, cuts: list[int]) -> None:
    stream = noise + b"\r\n" + _bytes(PING)
    whole, decoder = Decoder().feed(stream), Decoder()
    assert [message for piece in _pieces(stream, cuts) for message in decoder.feed(piece)] == whole
    assert whole[-1] == PING


_DAMAGES = st.sampled_from(["cut", "insert", "flip"])


@QUICK
@given(st.lists(_messages, min_size=1, max_size=3), _DAMAGES, st.integers(0, 10**6), st.binary(min_size=1, max_size=40))
def test_a_damaged_frame_does_not_stop_later_ones(
    messages: list[wire.Message], damage: str, place: int, noise: bytes
) -> None:
    stream = bytearray(_bytes(*messages))
    at = place % len(stream)
    if damage == "cut":
        del stream[at : at + len(noise)]
    elif damage == "insert":
        stream[at:at] = noise
    else:
        stream[at] ^= noise[0] or 1
    decoder = Decoder()
    received = decoder.feed(bytes(stream))
    for _ in range(3):  # two messages may be swallowed, one by what is missing and one by what it cuts through
        received = decoder.feed(_bytes(PING))
        if received and received[-1] == PING:
            return
    pytest.fail("the decoder never found its way back")


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"Traceback (most recent call last)\n", wire.PARSE_ERROR, "belongs to no message"),
        (_frame(b"{"), wire.PARSE_ERROR, "not valid JSON"),
        (_frame(b'{"a": NaN}'), wire.PARSE_ERROR, "not valid JSON"),
        (_frame(b'{"a": {"attachment": 0, "dtype": "f2", "shape": []} "b'), wire.PARSE_ERROR, "not valid JSON"),
        (_frame(b"\xff\xfe"), wire.PARSE_ERROR, "not valid JSON"),
        (_frame(b"[" * 200_000), wire.PARSE_ERROR, "not valid JSON"),
        (_frame(b"{}", header="Content-Length: ten\r\n\r\n"), wire.PARSE_ERROR, "header"),
        (_frame(b"{}", header="Content-Length: -2\r\n\r\n"), wire.PARSE_ERROR, "header"),
        (_frame(b"{}", header="Content-Length: 2\r\nAttachment-Lengths: 1,,2\r\n\r\n"), wire.PARSE_ERROR, "header"),
        (b"Content-Length: 2" + b"0" * 5000, wire.PARSE_ERROR, "header"),
        (b"Content-Length: 999999999999\r\n\r\n", wire.PARSE_ERROR, "too large"),
        (b"Content-Length: 2\r\nAttachment-Lengths: 9999999999,1\r\n\r\n", wire.PARSE_ERROR, "too large"),
        (_bytes(PING)[:30], wire.PARSE_ERROR, "cut short"),
        (_frame(b"3"), wire.INVALID_REQUEST, "JSON-RPC"),
        (_frame(b'{"jsonrpc":"2.0"}'), wire.INVALID_REQUEST, "neither"),
        (_frame(b'{"jsonrpc":"2.0","id":null,"method":"m"}'), wire.INVALID_REQUEST, "id"),
        (_frame(b'{"jsonrpc":"2.0","id":1,"method":4}'), wire.INVALID_REQUEST, "method"),
        (_frame(b'{"jsonrpc":"2.0","id":1,"method":"m","params":[1]}'), wire.INVALID_REQUEST, "parameters"),
        (_frame(b'{"jsonrpc":"2.0","id":1,"error":"no"}'), wire.INVALID_REQUEST, "neither"),
    ],
    ids=range(19),
)
def test_a_bad_frame_is_told_once_and_the_next_one_is_read(data: bytes, code: int, words: str) -> None:
    received = Decoder().feed(data + _bytes(PING))
    assert [type(message) for message in received] == [BadFrame, Request], received
    assert received[0].code == code
    assert words in received[0].reason
    assert received[1] == PING


_MISFITS = [(0, "<i2", [2]), (0, "<i2", [-2]), (0, "<i2", "4"), (0, ">i2", [4]), (1, "<i2", [4]), (None, "<i2", [4])]


@pytest.mark.parametrize(("index", "dtype", "shape"), [*_MISFITS, (0, ["<i2"], [4]), (0, "<i2", [True, 4])])
def test_an_array_that_does_not_fit_its_bytes_names_the_request(index: object, dtype: object, shape: object) -> None:
    import json

    array = {"attachment": index, "dtype": dtype, "shape": shape}
    body = json.dumps({"jsonrpc": "2.0", "id": 3, "method": "m", "params": {"a": array}}).encode()
    bad, ping = Decoder().feed(_frame(body, b"12345678") + _bytes(PING))
    assert (bad.code, bad.id, ping) == (wire.INVALID_REQUEST, 3, PING)


def test_a_reference_to_an_array_that_did_not_come_is_refused() -> None:
    body = b'{"jsonrpc":"2.0","id":3,"result":{"attachment":0,"dtype":"<i2","shape":[1]}}'
    assert Decoder().feed(_frame(body))[0].id == 3


@pytest.mark.parametrize("lengths", ["9000000", "2,7000000"])
def test_announced_arrays_that_contradict_the_message_are_not_waited_for(lengths: str) -> None:
    body = b'{"jsonrpc":"2.0","id":3,"result":{"attachment":0,"dtype":"<i2","shape":[1]}}'
    header = f"Content-Length: {len(body)}\r\nAttachment-Lengths: {lengths}\r\n\r\n"
    bad, ping = Decoder().feed(_frame(body, header=header) + _bytes(PING))
    assert (bad.code, bad.id, ping) == (wire.INVALID_REQUEST, 3, PING)


def test_the_end_of_the_stream_in_a_message_is_told() -> None:
    decoder = Decoder()
    assert decoder.feed(_bytes(PING)[:-1]) == []
    assert [message.code for message in decoder.finish()] == [wire.PARSE_ERROR]
    assert decoder.finish() == []


def test_huge_lengths_allocate_nothing() -> None:
    import tracemalloc

    tracemalloc.start()
    Decoder().feed(b"Content-Length: 60000000\r\nAttachment-Lengths: 8000000000\r\n\r\n{")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, b"bytes"])
def test_what_json_lacks_cannot_be_sent(value: object) -> None:
    with pytest.raises(WireError, match="cannot be written"):
        encode(Result(1, value))


@pytest.mark.parametrize(("dtype", "shape"), [("<i2", (3,)), ("<c8", (1,)), ("<i2", (-1,))])
def test_an_array_needs_a_known_type_and_the_right_number_of_bytes(dtype: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(WireError, match="array"):
        WireArray(memoryview(b"12345678"), dtype, shape)


@pytest.mark.parametrize("name", SLICER_SIDE)
def test_slicer_side_is_written_for_python_3_9(name: str) -> None:
    text = (ROOT / "VQSegLib" / f"{name}.py").read_text(encoding="utf-8")
    compile(ast.parse(text, feature_version=(3, 9)), name, "exec")


_BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "numpy", "pydantic", "typer", "psutil"}:
            raise ImportError("blocked: " + name)
sys.meta_path.insert(0, Block())
import MODULES
from VQSegLib.wire import Request, WireArray, encode
from VQSegLib.wire_decoder import Decoder
sent = Request(1, "m", {"a": WireArray(memoryview(b"abcd"), "<i2", (2,))})
assert Decoder().feed(b"".join(encode(sent))) == [sent]
print(sys.version_info[:2])
"""


def _older_python() -> Path | None:
    """Return a Python 3.9 that starts; pyenv's shim of that name may not."""
    found = [shutil.which("python3.9"), *sorted(Path.home().glob(".pyenv/versions/3.9.*/bin/python"))]
    for candidate in filter(None, found):
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return Path(candidate)
    return None


@pytest.mark.parametrize("which", ["this", "3.9"])
def test_slicer_side_runs_without_any_package(which: str) -> None:
    python = Path(sys.executable) if which == "this" else _older_python()
    if python is None:
        pytest.skip("no Python 3.9 is installed here")
    code = _BLOCKED.replace("MODULES", ", ".join(f"VQSegLib.{name}" for name in SLICER_SIDE[1:]))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        [python, "-W", "error", "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == (str(sys.version_info[:2]) if which == "this" else "(3, 9)")
