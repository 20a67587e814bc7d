"""Bytes to messages, without any I/O; standard library only and clean for Python 3.9."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Dict, List, NoReturn, Optional, Tuple

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
)

MAX_BODY_BYTES = 64 << 20
MAX_ATTACHMENT_BYTES = 8 << 30
"""All arrays of one message together: a CT of 512 x 512 x 2000 float64 voxels takes half of it."""
_MARKER = b"Content-Length:"
_MAX_HEADER_BYTES = 4096
_HEADER = re.compile(rb"Content-Length: *(\d{1,18})\r\n(?:Attachment-Lengths: *(\d{1,18}(?:,\d{1,18})*)\r\n)?\r\n")
_NEXT_HEADER = re.compile(rb"Content-Length: *\d+\r\n")
_ARRAY_KEYS = {"attachment", "dtype", "shape"}
_LOGGED_BYTES = 200


@dataclass(frozen=True)
class _Header:
    """Where the parts of the frame at the start of the buffer lie."""

    body: int
    attachments: int
    lengths: Tuple[int, ...]

    @property
    def end(self) -> int:
        return self.attachments + sum(self.lengths)


class Decoder:
    """Takes the stream in pieces of any size and returns the messages that are complete.

    What is no message never raises and never stops the stream: it is reported once as :class:`~VQSegLib.wire.BadFrame`
    and skipped up to the next header. Nothing is allocated for bytes that have not arrived.
    """

    def __init__(self, max_body_bytes: int = MAX_BODY_BYTES, max_attachment_bytes: int = MAX_ATTACHMENT_BYTES) -> None:
        """Set the limits above which a header counts as damaged.

        Args:
            max_body_bytes: Of the JSON of one message.
            max_attachment_bytes: Of all arrays of one message.
        """
        self._max_body, self._max_attachments = max_body_bytes, max_attachment_bytes
        self._buffer = bytearray()
        self._header: Optional[_Header] = None
        self._is_skipping = False

    def feed(self, data: bytes) -> List[Received]:
        """Take bytes of the stream (any buffer) and return the messages they complete, in order."""
        self._buffer += data
        found: List[Received] = []
        while self._advance(found):
            pass
        return found

    def finish(self) -> List[Received]:
        """Say that the stream has ended; a frame that was cut short is reported."""
        if not self._buffer:
            return []
        rest, self._header = bytes(self._buffer[:_LOGGED_BYTES]), None
        self._buffer = bytearray()
        return [BadFrame(PARSE_ERROR, "The stream ended in the middle of a message.", text=rest)]

    def _advance(self, found: List[Received]) -> bool:
        """Take one step; False when more bytes are needed."""
        if self._header is None:
            return self._skip_to_marker(found) and self._read_header(found)
        return self._read_frame(self._header, found)

    def _skip_to_marker(self, found: List[Received]) -> bool:
        """Drop what comes before the next header; True when the buffer starts with one."""
        at = self._buffer.find(_MARKER)
        if at < 0:
            at = _find_partial_marker(self._buffer)
        if at:
            reason = "Text that belongs to no message was found in the stream and skipped."
            self._report(found, PARSE_ERROR, reason, at)
            del self._buffer[:at]
        return self._buffer.startswith(_MARKER)

    def _read_header(self, found: List[Received]) -> bool:
        end = self._buffer.find(b"\r\n\r\n", 0, _MAX_HEADER_BYTES)
        if end < 0 and len(self._buffer) < _MAX_HEADER_BYTES:
            return False
        match = _HEADER.match(self._buffer, 0, max(end, 0) + 4)
        body = int(match[1]) if match else 0
        lengths = tuple(int(part) for part in (match[2] or b"").split(b",") if part) if match else ()
        if match is None:
            self._drop(found, "The header of a message is damaged.", len(_MARKER))
        elif body > self._max_body or sum(lengths) > self._max_attachments:
            reason = (
                f"A message of {body} bytes with {sum(lengths)} bytes of arrays is too large; allowed are "
                f"{self._max_body} and {self._max_attachments}."
            )
            self._drop(found, reason, match.end())
        else:
            self._header = _Header(match.end(), match.end() + body, lengths)
        return True

    def _read_frame(self, header: _Header, found: List[Received]) -> bool:
        # JSON cannot hold a header, since its strings hold no line breaks: such a body was cut short.
        cut = _NEXT_HEADER.search(self._buffer, header.body, header.attachments)
        if cut is not None:
            self._drop(found, "A message was cut short by the next one.", cut.start())
            return True
        if len(self._buffer) < header.end:
            return False
        body = bytes(memoryview(self._buffer)[header.body : header.attachments])
        try:
            parsed = json.loads(body.decode(), parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            self._drop(found, "A message is not valid JSON.", _find_resumption(self._buffer, header))
            return True
        found.append(_to_message(parsed, body, self._take_arrays(header)))
        self._is_skipping = False
        return True

    def _take_arrays(self, header: _Header) -> List[memoryview]:
        """Remove the frame from the buffer; return views of its arrays, without a copy when nothing follows it."""
        if len(self._buffer) == header.end:
            frame, self._buffer = self._buffer, bytearray()
        else:
            frame = self._buffer[: header.end]
            del self._buffer[: header.end]
        self._header = None
        view, start, arrays = memoryview(frame), header.attachments, []
        for length in header.lengths:
            arrays.append(view[start : start + length])
            start += length
        return arrays

    def _drop(self, found: List[Received], reason: str, length: int) -> None:
        """Report a bad frame and remove its first bytes; what is left of it will be skipped in silence."""
        self._is_skipping = False
        self._report(found, PARSE_ERROR, reason, length)
        del self._buffer[:length]
        self._header = None

    def _report(self, found: List[Received], code: int, reason: str, length: int) -> None:
        if not self._is_skipping:
            found.append(BadFrame(code, reason, text=bytes(self._buffer[: min(length, _LOGGED_BYTES)])))
        self._is_skipping = True


def _find_partial_marker(data: bytearray, start: int = 0) -> int:
    """Return where data ends with the begin of a marker, or its length."""
    for at in range(max(start, len(data) - len(_MARKER) + 1), len(data)):
        if _MARKER.startswith(data[at:]):
            return at
    return len(data)


def _find_resumption(data: bytearray, header: _Header) -> int:
    """Return where to go on after a frame whose JSON is wrong: at a header inside it, else behind it."""
    body = data[header.body : header.attachments]
    at = body.find(_MARKER)
    if at < 0:
        at = _find_partial_marker(body)
    return header.body + at if at < len(body) else header.end


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


def _to_message(parsed: Any, body: bytes, arrays: List[memoryview]) -> Received:
    """Return the message of a JSON value; arrays take the place of their references."""
    number = _read_id(parsed)

    def resolve(value: Dict[str, Any]) -> Any:
        return _to_array(value, arrays) if value.keys() == _ARRAY_KEYS else value

    try:
        return _to_envelope(json.loads(body.decode(), object_hook=resolve), number)
    except WireError as error:
        return BadFrame(INVALID_REQUEST, str(error), number, body[:_LOGGED_BYTES])


def _read_id(parsed: Any) -> Optional[Id]:
    number = parsed.get("id") if isinstance(parsed, dict) else None
    return number if type(number) in (int, str) else None


def _to_array(value: Dict[str, Any], arrays: List[memoryview]) -> WireArray:
    index, shape = value["attachment"], value["shape"]
    if type(index) is not int or not 0 <= index < len(arrays) or not isinstance(shape, list):
        msg = f"A message speaks of array {index!r} of shape {shape!r}, but carries {len(arrays)} arrays."
        raise WireError(msg)
    return WireArray(arrays[index], value["dtype"], tuple(shape))


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
