"""Bytes to messages, without any I/O; standard library only and clean for Python 3.9."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import List, Optional, Tuple

from VQSegLib.wire import PARSE_ERROR, BadFrame, Received
from VQSegLib.wire_body import check_body, read_message

MAX_BODY_BYTES = 64 << 20
MAX_ATTACHMENT_BYTES = 8 << 30
"""All arrays of one message together: a CT of 512 x 512 x 2000 float64 voxels takes half of it."""
PIECE_BYTES = 1 << 16
"""What to ask of a pipe at once: what it holds. The buffer for more would be new memory of the system every time."""
_MARKER = b"Content-Length:"
_MAX_HEADER_BYTES = 4096
_HEADER = re.compile(rb"Content-Length: *(\d{1,18})\r\n(?:Attachment-Lengths: *(\d{1,18}(?:,\d{1,18})*)\r\n)?\r\n")
_NEXT_HEADER = re.compile(rb"Content-Length: *\d+\r\n")
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
        self._body: Optional[bytes] = None
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
        found: List[Received] = []
        self._drop(found, BadFrame(PARSE_ERROR, "The stream ended in the middle of a message."), len(self._buffer))
        return found

    def _advance(self, found: List[Received]) -> bool:
        """Take one step; False when more bytes are needed."""
        if self._header is None:
            return self._skip_to_marker(found) and self._read_header(found)
        if self._body is None:
            return self._read_body(self._header, found)
        return self._read_arrays(self._header, self._body, found)

    def _skip_to_marker(self, found: List[Received]) -> bool:
        """Drop what comes before the next header; True when the buffer starts with one."""
        at = self._buffer.find(_MARKER)
        if at < 0:
            at = _find_partial_marker(self._buffer)
        if at:
            if not self._is_skipping:
                reason = "Text that belongs to no message was found in the stream and skipped."
                self._drop(found, BadFrame(PARSE_ERROR, reason), at)
            else:
                del self._buffer[:at]
        return self._buffer.startswith(_MARKER)

    def _read_header(self, found: List[Received]) -> bool:
        end = self._buffer.find(b"\r\n\r\n", 0, _MAX_HEADER_BYTES)
        if end < 0 and len(self._buffer) < _MAX_HEADER_BYTES:
            return False
        match = _HEADER.match(self._buffer, 0, max(end, 0) + 4)
        if match is None:
            self._drop(found, BadFrame(PARSE_ERROR, "The header of a message is damaged."), len(_MARKER))
            return True
        body, lengths = int(match[1]), tuple(int(part) for part in (match[2] or b"").split(b",") if part)
        if body > self._max_body or sum(lengths) > self._max_attachments:
            reason = (
                f"A message of {body} bytes with {sum(lengths)} bytes of arrays is too large; allowed are "
                f"{self._max_body} and {self._max_attachments}."
            )
            self._drop(found, BadFrame(PARSE_ERROR, reason), match.end())
            return True
        self._header = _Header(match.end(), match.end() + body, lengths)
        return True

    def _read_body(self, header: _Header, found: List[Received]) -> bool:
        # JSON cannot hold a header, since its strings hold no line breaks: such a body was cut short.
        cut = _NEXT_HEADER.search(self._buffer, header.body, header.attachments)
        if cut is not None:
            self._drop(found, BadFrame(PARSE_ERROR, "A message was cut short by the next one."), cut.start())
            return True
        if len(self._buffer) < header.attachments:
            return False
        body = bytes(memoryview(self._buffer)[header.body : header.attachments])
        problem = check_body(body, header.lengths)
        if problem is None:
            self._body = body
        else:
            self._drop(found, problem, _find_resumption(self._buffer, header))
        return True

    def _read_arrays(self, header: _Header, body: bytes, found: List[Received]) -> bool:
        if len(self._buffer) < header.end:
            return False
        found.append(read_message(body, self._take_arrays(header)))
        self._is_skipping = False
        return True

    def _take_arrays(self, header: _Header) -> List[memoryview]:
        """Remove the frame from the buffer; return views of its arrays, without a copy when nothing follows it."""
        if len(self._buffer) == header.end:
            frame, self._buffer = self._buffer, bytearray()
        else:
            frame = self._buffer[: header.end]
            del self._buffer[: header.end]
        self._header = self._body = None
        view, start, arrays = memoryview(frame), header.attachments, []
        for length in header.lengths:
            arrays.append(view[start : start + length])
            start += length
        return arrays

    def _drop(self, found: List[Received], bad: BadFrame, length: int) -> None:
        """Report a bad frame and remove its first bytes; what is left of it will be skipped in silence."""
        found.append(replace(bad, text=bytes(self._buffer[: min(length, _LOGGED_BYTES)])))
        del self._buffer[:length]
        self._header = self._body = None
        self._is_skipping = True


def _find_partial_marker(data: bytearray) -> int:
    """Return where data ends with the begin of a marker, or its length."""
    for at in range(max(0, len(data) - len(_MARKER) + 1), len(data)):
        if _MARKER.startswith(data[at:]):
            return at
    return len(data)


def _find_resumption(data: bytearray, header: _Header) -> int:
    """Return where to go on after a frame whose JSON is wrong: at a header inside the JSON, else behind it."""
    body = data[header.body : header.attachments]
    at = body.find(_MARKER)
    return header.body + (_find_partial_marker(body) if at < 0 else at)
