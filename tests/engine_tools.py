"""Shared by the tests of the engine: the stand-in worker, what an engine emitted, whether a process lives."""

import os
import sys
import threading
import time
from pathlib import Path

FAKE = (sys.executable, str(Path(__file__).parent / "engine" / "fake_worker.py"))


def alive(pid):
    """Whether a process runs (a zombie does not)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] == "Z")


class Recorder:
    """Collects what an engine emits, in the order of emission, and waits for it.

    ``items``: pairs of a signal's name and what it carried.
    """

    def __init__(self, engine):
        self.engine = engine
        self.items = []
        self._changed = threading.Condition()
        for name in (
            "event",
            "preview",
            "suggestion",
            "outputs",
            "block",
            "state_changed",
            "died",
            "job_finished",
        ):
            getattr(engine, name).connect(self._taker(name), check_nargs=False)

    def _taker(self, name):
        def take(value):
            with self._changed:
                self.items.append((name, value))
                self._changed.notify_all()

        return take

    def of(self, name, kind=object):
        """All values that a signal carried, of one type."""
        return [value for n, value in list(self.items) if n == name and isinstance(value, kind)]

    def wait(self, name, test=lambda value: True, kind=object, timeout=60):
        """The first value of a signal that passes a test, past or to come."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: next(([v] for v in self.of(name, kind) if test(v)), None), timeout
            )
        assert found, f"no {name} came; came: {self.items[-20:]} {self.engine.state}"
        return found[0]

    def wait_state(self, state, timeout=60):
        """Wait until the engine is in a state."""
        end = time.monotonic() + timeout
        while self.engine.state != state:
            assert time.monotonic() < end, f"never {state}; came: {self.items[-20:]}"
            time.sleep(0.01)
