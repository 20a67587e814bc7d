"""A client that waits for its answers: for tests and programs without an event loop.

3D Slicer does not use it, since it must never block: there QProcess and
:class:`~VQSegLib.wire_decoder.Decoder` do the same. Standard library only and clean for Python 3.9.
"""

from __future__ import annotations

import queue
import subprocess
import threading
from typing import IO, Any, Callable, Dict, List, Mapping, Optional, Sequence, Union, cast

from VQSegLib.wire import BadFrame, Failure, Id, Message, Notification, Received, Request, Result, WireError, encode
from VQSegLib.wire_command import describe_start_failure, prepare_command
from VQSegLib.wire_decoder import PIECE_BYTES, Decoder

OnNotification = Callable[[Notification], None]
_KEPT_LOG_BYTES = 1 << 20


class RequestFailed(WireError):  # noqa: N818 - it reads better than RequestFailedError
    """The worker answered that a request failed; ``str(error)`` is its sentence for the user.

    Attributes:
        code: One of the codes of :mod:`VQSegLib.wire`.
        detail: Text for the log.
    """

    def __init__(self, failure: Failure) -> None:
        """Take over what the worker said."""
        super().__init__(failure.message)
        self.code, self.detail = failure.code, failure.detail


class BlockingClient:
    """Starts a worker and talks to it; leaving the ``with`` block ends it.

    Attributes:
        process: The worker, or ``ssh``.
        skipped: What arrived and was no message.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Optional[str] = None,
        env: Optional[Mapping[str, str]] = None,
        timeout_seconds: float = 120.0,
    ) -> None:
        """Start the worker.

        Args:
            command: Command line; ``ssh`` is put into batch mode.
            cwd: Folder to start it in.
            env: Environment; None inherits this process's.
            timeout_seconds: Longest silence that is waited through.

        Raises:
            WireError: The program does not exist or cannot be run.
        """
        self._command, self._timeout = list(command), timeout_seconds
        pipes: Dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        try:
            self.process = subprocess.Popen(prepare_command(command), cwd=cwd, env=env, bufsize=0, **pipes)
        except OSError as error:
            raise WireError(describe_start_failure(command, None, str(error))) from error
        self._stdin = cast("IO[bytes]", self.process.stdin)
        self.skipped: List[BadFrame] = []
        self._log = bytearray()
        self._last_id = 0
        self._answers: Dict[Id, Union[Result, Failure]] = {}
        self._arrived: queue.Queue[Optional[Received]] = queue.Queue()
        self._is_over = False
        readers = ((self._read_messages, self.process.stdout), (self._read_log, self.process.stderr))
        self._readers = [threading.Thread(target=read, args=(pipe,), daemon=True) for read, pipe in readers]
        for reader in self._readers:
            reader.start()

    @property
    def log(self) -> str:
        """What the worker wrote to stderr so far, the last megabyte of it."""
        return self._log.decode(errors="replace")

    def request(
        self,
        method: str,
        params: Optional[Mapping[str, Any]] = None,
        on_notification: Optional[OnNotification] = None,
    ) -> Any:
        """Ask and wait for the answer.

        Raises:
            RequestFailed: The worker said so.
            WireError: The worker ended, was silent for too long, or could not read the request.
        """
        return self.wait(self.start(method, params), on_notification)

    def start(self, method: str, params: Optional[Mapping[str, Any]] = None) -> int:
        """Ask without waiting; returns the id for :meth:`wait` and :meth:`cancel`.

        Raises:
            WireError: The worker has ended.
        """
        self._last_id += 1
        self.send(Request(self._last_id, method, dict(params or {})))
        return self._last_id

    def cancel(self, request_id: Id) -> None:
        """Ask to stop a request; its answer is then a failure of code ``CANCELLED``.

        Raises:
            WireError: The worker has ended.
        """
        self.send(Notification("cancel", {"id": request_id}))

    def wait(self, request_id: Id, on_notification: Optional[OnNotification] = None) -> Any:
        """Wait for the answer to a request; see :meth:`request`."""
        while request_id not in self._answers:
            self._take(on_notification)
        answer = self._answers.pop(request_id)
        if isinstance(answer, Failure):
            raise RequestFailed(answer)
        return answer.result

    def send(self, message: Message) -> None:
        """Write one message.

        Raises:
            WireError: The worker has ended.
        """
        self.send_bytes(encode(message))

    def send_bytes(self, buffers: Sequence[Union[bytes, memoryview]]) -> None:
        """Write raw bytes; tests send damaged messages with it.

        Raises:
            WireError: The worker has ended.
        """
        try:
            for buffer in buffers:
                view = memoryview(buffer)
                while view:
                    view = view[self._stdin.write(view) :]
        except (OSError, ValueError) as error:
            raise WireError(self._describe_end()) from error

    def close(self, timeout_seconds: float = 10.0) -> int:
        """Close the worker's stdin, wait for its end and return its exit status; a worker that stays is killed."""
        self._stdin.close()
        try:
            status = self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        for reader in self._readers:
            reader.join(timeout_seconds)
        return status

    def __enter__(self) -> BlockingClient:
        """Return the client."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the worker."""
        self.close()

    def _take(self, on_notification: Optional[OnNotification]) -> None:
        """Wait for one message and put it where it belongs."""
        if self._is_over:
            raise WireError(self._describe_end())
        try:
            message = self._arrived.get(timeout=self._timeout)
        except queue.Empty:
            msg = f"The engine said nothing for {self._timeout:g} seconds; end it and start it again."
            raise WireError(msg) from None
        if message is None:
            self._is_over = True
        elif isinstance(message, Notification):
            if on_notification is not None:
                on_notification(message)
        elif isinstance(message, (Result, Failure)) and message.id is not None:
            self._answers[message.id] = message
        elif isinstance(message, BadFrame) and message.id is not None:
            self._answers[message.id] = Failure(message.id, message.code, message.reason)
        elif isinstance(message, Failure):
            raise RequestFailed(message)
        elif isinstance(message, BadFrame):
            self.skipped.append(message)

    def _describe_end(self) -> str:
        try:
            # stdout may close a moment before the process ends.
            status: Optional[int] = self.process.wait(5.0)
        except subprocess.TimeoutExpired:
            status = 0
        self._readers[1].join(1.0)
        return describe_start_failure(self._command, status, self.log)

    def _read_messages(self, pipe: IO[bytes]) -> None:
        decoder = Decoder()
        for data in iter(lambda: pipe.read(PIECE_BYTES), b""):
            for message in decoder.feed(data):
                self._arrived.put(message)
        for message in decoder.finish():
            self._arrived.put(message)
        self._arrived.put(None)
        pipe.close()

    def _read_log(self, pipe: IO[bytes]) -> None:
        for data in iter(lambda: pipe.read(PIECE_BYTES), b""):
            self._log += data
            del self._log[:-_KEPT_LOG_BYTES]
        pipe.close()
