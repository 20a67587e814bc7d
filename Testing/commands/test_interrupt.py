"""Ctrl-C as a polite request."""

from __future__ import annotations

import signal

import pytest

from VQSegLib.commands.interrupt import cancel_on_interrupt


def test_first_ctrl_c_asks_and_second_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)
    with cancel_on_interrupt() as cancelled:
        assert not cancelled()
        signal.raise_signal(signal.SIGINT)
        assert cancelled()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
