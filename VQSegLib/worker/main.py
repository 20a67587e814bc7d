"""The life of the worker: take the streams, serve, end when stdin closes."""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from VQSegLib.wire import Received, Request, Result
from VQSegLib.wire_decoder import Decoder
from VQSegLib.worker.streams import MessageStreams, take_standard_streams

if TYPE_CHECKING:
    from VQSegLib.worker.outgoing import Outgoing

_READ_BYTES = 1 << 20
_GRACE_SECONDS = 0.5
EXIT_INTERRUPTED = 130


def run() -> int:
    """Serve stdin and stdout until stdin closes or ``shutdown`` is asked.

    Returns:
        The exit status.

    Raises:
        UserError: stdin or stdout is closed.
    """
    streams = take_standard_streams()
    # Everything else is imported only now, when nothing it prints can get between the messages.
    from VQSegLib.worker.orphans import end_with_parent
    from VQSegLib.worker.outgoing import Outgoing

    _set_up_log()
    end_with_parent()
    if os.isatty(streams.input_fd):
        logging.getLogger(__name__).warning("This is the worker of VQSeg: it waits for a program. End it with Ctrl-D.")
    outgoing = Outgoing(streams.output_fd, on_broken=lambda: os._exit(0))
    return _serve(streams, outgoing)


def _serve(streams: MessageStreams, outgoing: Outgoing) -> int:
    from VQSegLib.service import Service
    from VQSegLib.worker.requests import Requests
    from VQSegLib.worker.server import Server

    service = Service()
    server = Server(Requests(service), outgoing)
    server.warm_up(service.load_packages)
    status = 0
    try:
        for message in _receive(streams.input_fd):
            if isinstance(message, Request) and message.method == "shutdown":
                outgoing.send(Result(message.id, {}))
                break
            server.receive(message)
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    server.cancel_all()
    outgoing.close(_GRACE_SECONDS)
    ends = time.monotonic() + _GRACE_SECONDS
    while server.is_computing and time.monotonic() < ends:
        time.sleep(0.01)
    if server.is_computing:
        # The computation cannot be waited for, and unloading libraries under it would crash.
        sys.stderr.flush()
        os._exit(status)
    return status


def _receive(fd: int) -> Iterator[Received]:
    decoder = Decoder()
    while data := os.read(fd, _READ_BYTES):
        yield from decoder.feed(data)
    yield from decoder.finish()


def _set_up_log() -> None:
    """Log to stderr, also where the process crashed if it does."""
    faulthandler.enable()
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("VQSegLib")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
