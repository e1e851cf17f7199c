"""The computing process: ``python -m napari_unet.engine.worker``, started by `napari_unet.engine.client`.

It talks frames (see `napari_unet.engine.wire`) over its stdin and stdout and ends when its stdin does.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import BinaryIO

from napari_unet.engine.channel import Channel
from napari_unet.engine.contracts import Facts, Jobs, RealJobs, find_facts
from napari_unet.engine.messages import Ready, StateReport
from napari_unet.engine.session import Session

NICENESS = 5
"""How far the worker steps back behind the window where the two want the same core (POSIX)."""


def take_over_stdio() -> tuple[BinaryIO, BinaryIO]:
    """Keep stdin and stdout for frames; libraries get an empty stdin, and stderr in place of stdout.

    Without this one ``print`` of a library breaks the frames. The handles are not inherited by children. On
    Windows a thread that waits on the process's own stdin would also make ``import numpy`` hang
    (https://github.com/numpy/numpy/issues/24290).
    """
    commands, reports = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    if sys.platform == "win32":
        import msvcrt

        for handle in (commands, reports):
            msvcrt.setmode(handle, os.O_BINARY)
    return os.fdopen(commands, "rb"), os.fdopen(reports, "wb")


def main(load: Callable[[], tuple[Jobs, Facts]] | None = None) -> None:
    """Serve the window until it closes the pipe.

    Parameters
    ----------
    load
        Gives what to run; a test's stand-in for the real thing, which imports torch.
    """
    began = time.perf_counter()
    channel = Channel(*take_over_stdio())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in napari's terminal is for napari
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    channel.start()
    jobs, facts = (load or load_real)()
    channel.send(
        Ready(
            versions=facts.versions,
            device=facts.device,
            threads=facts.threads,
            pid=os.getpid(),
            startup_seconds=round(time.perf_counter() - began, 2),
        )
    )
    channel.send(StateReport(state="ready"))
    Session(channel, jobs, facts.threads).run()


def load_real() -> tuple[Jobs, Facts]:
    """Import torch and all that needs it, and leave a core to the window."""
    jobs, facts = RealJobs(), find_facts()
    from napari_unet.learn.device import set_threads

    set_threads(facts.threads)
    return jobs, facts


if __name__ == "__main__":
    main()
