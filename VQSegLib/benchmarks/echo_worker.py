"""A process that answers ``array`` with an int16 volume of the shape asked for: measures the way back over the wire.

No request of the worker answers with a whole CT, so the way back is measured with the worker's streams and messages.
"""

from __future__ import annotations

import os

from VQSegLib.worker.streams import take_standard_streams


def run() -> None:
    """Serve stdin and stdout until stdin closes."""
    streams = take_standard_streams()
    import numpy as np

    from VQSegLib.wire import Request, Result, WireArray
    from VQSegLib.wire_decoder import PIECE_BYTES, Decoder
    from VQSegLib.worker.outgoing import Outgoing

    decoder, outgoing = Decoder(), Outgoing(streams.output_fd, on_broken=lambda: os._exit(0))
    array = np.empty(0, np.int16)
    while data := os.read(streams.input_fd, PIECE_BYTES):
        for message in decoder.feed(data):
            if isinstance(message, Request):
                if array.shape != tuple(message.params["shape"]):
                    array = np.ones(message.params["shape"], np.int16)
                outgoing.send(Result(message.id, {"array": WireArray.from_numpy(array)}))


if __name__ == "__main__":
    run()
