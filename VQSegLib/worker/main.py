"""The life of the worker: take the streams, serve, end when stdin closes."""

from __future__ import annotations

import faulthandler
import logging
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

from VQSegLib.wire import Received, Request, Result
from VQSegLib.wire_decoder import PIECE_BYTES, Decoder
from VQSegLib.worker.streams import MessageStreams, take_standard_streams

if TYPE_CHECKING:
    from VQSegLib.worker.outgoing import Outgoing

_GRACE_SECONDS = 0.5
EXIT_INTERRUPTED = 130


def run() -> NoReturn:
    """Serve stdin and stdout until stdin closes or ``shutdown`` is asked; then end the process.

    Raises:
        UserError: stdin or stdout is closed.
    """
    streams = take_standard_streams()
    # Everything else is imported only now, when nothing it prints can get between the messages.
    from VQSegLib.kept_memory import keep_freed_memory
    from VQSegLib.process_log import log_to_stderr
    from VQSegLib.worker.orphans import end_with_parent
    from VQSegLib.worker.outgoing import Outgoing

    faulthandler.enable()  # stderr tells where the process crashed, if it does
    log_to_stderr()
    end_with_parent()
    keep_freed_memory()
    if os.isatty(streams.input_fd):
        logging.getLogger(__name__).warning("This is the worker of VQSeg: it waits for a program. End it with Ctrl-D.")
    outgoing = Outgoing(streams.output_fd, on_broken=lambda: os._exit(0))
    _serve(streams, outgoing)


def _serve(streams: MessageStreams, outgoing: Outgoing) -> NoReturn:
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
    outgoing.close(_GRACE_SECONDS)
    _leave(status)


def _leave(status: int) -> NoReturn:
    """End at once: a computation cannot be waited for, and unloading its libraries under it would crash."""
    logging.shutdown()
    os._exit(status)


def _receive(fd: int) -> Iterator[Received]:
    decoder = Decoder()
    while data := os.read(fd, PIECE_BYTES):
        yield from decoder.feed(data)
    yield from decoder.finish()
