"""The JSON of a frame: is it whole, do its arrays fit, which message is it; standard library, clean for Python 3.9."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, List, NoReturn, Optional, Sequence, Set

from VQSegLib.wire import (
    INVALID_REQUEST,
    PARSE_ERROR,
    BadFrame,
    Failure,
    Id,
    Notification,
    Received,
    Request,
    Result,
    WireArray,
    WireError,
    compute_array_bytes,
)

_ARRAY_KEYS = {"attachment", "dtype", "shape"}


def check_body(body: bytes, lengths: Sequence[int]) -> Optional[BadFrame]:
    """Return what is wrong with the JSON or with the announced arrays, None if nothing is.

    It needs no byte of the arrays, so that a frame whose lengths contradict each other is found out before it swallows
    what follows.

    Args:
        body: JSON of the frame.
        lengths: Bytes of each array, as the header announces them.
    """
    used: Set[int] = set()

    def check(value: Dict[str, Any]) -> Any:
        index, shape = value["attachment"], value["shape"]
        if type(index) is not int or not 0 <= index < len(lengths) or not isinstance(shape, list):
            msg = f"A message speaks of array {index!r} of shape {shape!r}, but announces {len(lengths)} arrays."
            raise WireError(msg)
        needed = compute_array_bytes(value["dtype"], shape)
        if needed != lengths[index]:
            msg = f"An array of shape {shape} {value['dtype']} needs {needed} bytes, announced are {lengths[index]}."
            raise WireError(msg)
        used.add(index)
        return value

    try:
        try:
            _parse(body, check)
        except WireError as error:
            # The array was read before the end of the message, which may be damaged as well.
            return BadFrame(INVALID_REQUEST, str(error), _read_id(json.loads(body.decode())))
    except (ValueError, RecursionError):
        return BadFrame(PARSE_ERROR, "A message is not valid JSON.")
    if len(used) < len(lengths):
        reason = f"A message announces {len(lengths)} arrays, but speaks of {len(used)}."
        return BadFrame(INVALID_REQUEST, reason, _read_id(json.loads(body.decode())))
    return None


def read_message(body: bytes, arrays: List[memoryview]) -> Received:
    """Return the message; arrays take the place of their references.

    Args:
        body: JSON that passed :func:`check_body`.
        arrays: Bytes of each array.
    """

    def resolve(value: Dict[str, Any]) -> WireArray:
        return WireArray(arrays[value["attachment"]], value["dtype"], tuple(value["shape"]))

    parsed = _parse(body, resolve)
    number = _read_id(parsed)
    try:
        return _to_envelope(parsed, number)
    except WireError as error:
        return BadFrame(INVALID_REQUEST, str(error), number)


def _parse(body: bytes, on_array: Callable[[Dict[str, Any]], Any]) -> Any:
    """Parse JSON, calling ``on_array`` for each reference to an array."""

    def hook(value: Dict[str, Any]) -> Any:
        return on_array(value) if value.keys() == _ARRAY_KEYS else value

    return json.loads(body.decode(), object_hook=hook, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


def _read_id(parsed: Any) -> Optional[Id]:
    number = parsed.get("id") if isinstance(parsed, dict) else None
    return number if type(number) in (int, str) else None


def _to_envelope(parsed: Any, number: Optional[Id]) -> Received:
    if not isinstance(parsed, dict) or parsed.get("jsonrpc") != "2.0":
        msg = 'A message is not a JSON-RPC object ("jsonrpc": "2.0" is missing).'
        raise WireError(msg)
    if "method" in parsed:
        return _to_call(parsed, number)
    if "result" in parsed and "error" not in parsed and number is not None:
        return Result(number, parsed["result"])
    error = parsed.get("error")
    if isinstance(error, dict) and type(error.get("code")) is int and isinstance(error.get("message"), str):
        data = error.get("data")
        detail = data.get("detail") if isinstance(data, dict) else None
        return Failure(number, error["code"], error["message"], detail if isinstance(detail, str) else "")
    msg = "A message is neither a request nor an answer."
    raise WireError(msg)


def _to_call(parsed: Dict[str, Any], number: Optional[Id]) -> Received:
    method, params = parsed["method"], parsed.get("params", {})
    if not isinstance(method, str) or not isinstance(params, dict):
        msg = "A request needs a method's name and an object of parameters."
        raise WireError(msg)
    if "id" not in parsed:
        return Notification(method, params)
    if number is None:
        msg = "A request needs a whole number or a text as its id."
        raise WireError(msg)
    return Request(number, method, params)
