"""Messages between the engine and whoever asks it: JSON-RPC 2.0 with raw array attachments.

Standard library only and clean for Python 3.9, because 3D Slicer's own Python imports it too. No I/O happens here:
:func:`encode` returns buffers, :class:`VQSegLib.wire_decoder.Decoder` takes bytes.

A frame is ``Content-Length: N``, if there are arrays ``Attachment-Lengths: a,b,...``, an empty line (lines end with
CR LF, as in the Language Server Protocol), N bytes of UTF-8 JSON, then the bytes of the arrays. In the JSON an array is
``{"attachment": index, "dtype": "<i2", "shape": [K, J, I]}``: C order, little-endian.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from VQSegLib.errors import VQSegError

PROTOCOL = 1
"""Version of requests and answers; raised when an older other half could no longer be understood."""
PARSE_ERROR, INVALID_REQUEST, UNKNOWN_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602
USER_ERROR, CANCELLED, FAULT, BUSY = -32000, -32001, -32002, -32003

ITEM_BYTES = {
    **{"|u1": 1, "|i1": 1, "<u2": 2, "<i2": 2, "<u4": 4, "<i4": 4, "<u8": 8, "<i8": 8},
    **{"<f2": 2, "<f4": 4, "<f8": 8},
}
"""Array types that may travel, as numpy's ``dtype.str`` writes them, and bytes per element."""

Id = Union[int, str]


class WireError(VQSegError):
    """A message that cannot be sent or understood, or a conversation that broke off."""


def compute_array_bytes(dtype: str, shape: Sequence[int]) -> int:
    """Return the number of bytes of an array.

    Raises:
        WireError: Unknown type or impossible shape.
    """
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        msg = f"An array of type {dtype!r} cannot be sent; known types are {', '.join(sorted(ITEM_BYTES))}."
        raise WireError(msg)
    if not all(type(side) is int and side >= 0 for side in shape):
        msg = f"An array needs whole numbers from 0 as its shape, given {shape!r}."
        raise WireError(msg)
    return ITEM_BYTES[dtype] * math.prod(shape)


@dataclass(frozen=True)
class WireArray:
    """An array as a buffer.

    Attributes:
        data: Its bytes in C order, little-endian.
        dtype: One of :data:`ITEM_BYTES`.
        shape: Length of each axis.

    Raises:
        WireError: Unknown type, impossible shape, or a buffer of another length.
    """

    data: memoryview
    dtype: str
    shape: Tuple[int, ...]

    def __post_init__(self) -> None:
        needed = compute_array_bytes(self.dtype, self.shape)
        if self.data.nbytes != needed:
            msg = f"An array of {self.shape} {self.dtype} needs {needed} bytes, given {self.data.nbytes}."
            raise WireError(msg)

    @classmethod
    def from_numpy(cls, array: Any) -> WireArray:
        """Return a numpy array without copying it where its layout allows; it must not change until it is sent."""
        little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
        return cls(memoryview(little.reshape(-1).view("u1")), little.dtype.str, tuple(array.shape))


@dataclass(frozen=True)
class Request:
    """Asks for something; answered by one :class:`Result` or :class:`Failure` with the same ``id``."""

    id: Id
    method: str
    params: Dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Notification:
    """Tells something; has no answer."""

    method: str
    params: Dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """Answer to a request."""

    id: Id
    result: Any


@dataclass(frozen=True)
class Failure:
    """Answer to a request that failed; ``id`` is None when the request could not be read.

    Attributes:
        id: Of the request.
        code: One of the codes of this module.
        message: One sentence for the user.
        detail: Text for the log, empty if there is none.
    """

    id: Optional[Id]
    code: int
    message: str
    detail: str = ""


@dataclass(frozen=True)
class BadFrame:
    """Bytes that were no valid message; the stream goes on with the next one.

    Attributes:
        code: :data:`PARSE_ERROR` or :data:`INVALID_REQUEST`.
        reason: One sentence.
        id: Of the message, where it could be read.
        text: Begin of the bytes, for the log; a login banner of a remote machine arrives here.
    """

    code: int
    reason: str
    id: Optional[Id] = None
    text: bytes = field(default=b"", compare=False)


Message = Union[Request, Notification, Result, Failure]
Received = Union[Request, Notification, Result, Failure, BadFrame]


def encode(message: Message) -> List[memoryview]:
    """Return the buffers of a frame, to be written one after the other; arrays are not copied.

    Raises:
        WireError: A value that JSON does not know (NaN and infinity among them).
    """
    arrays: List[WireArray] = []

    def reference(value: Any) -> Dict[str, Any]:
        if not isinstance(value, WireArray):
            msg = f"a {type(value).__name__} cannot be sent"
            raise TypeError(msg)
        arrays.append(value)
        return {"attachment": len(arrays) - 1, "dtype": value.dtype, "shape": list(value.shape)}

    try:
        body = json.dumps(_to_json(message), default=reference, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"The message cannot be written as JSON: {error}."
        raise WireError(msg) from error
    header = f"Content-Length: {len(body)}\r\n"
    if arrays:
        header += f"Attachment-Lengths: {','.join(str(array.data.nbytes) for array in arrays)}\r\n"
    return [memoryview(header.encode() + b"\r\n" + body), *(array.data for array in arrays)]


def _to_json(message: Message) -> Dict[str, Any]:
    envelope: Dict[str, Any] = {"jsonrpc": "2.0"}
    if isinstance(message, (Request, Result, Failure)):
        envelope["id"] = message.id
    if isinstance(message, (Request, Notification)):
        return {**envelope, "method": message.method, "params": message.params}
    if isinstance(message, Result):
        return {**envelope, "result": message.result}
    data = {"data": {"detail": message.detail}} if message.detail else {}
    return {**envelope, "error": {"code": message.code, "message": message.message, **data}}
