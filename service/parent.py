"""A child that outlives its parent keeps ports, sockets and half-done work: on Linux the kernel can end it with the
parent."""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(how: signal.Signals = signal.SIGTERM) -> None:
    """Ask the kernel to send `how` to this process when the thread that started it ends; nothing where there is no
    prctl."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, how)
