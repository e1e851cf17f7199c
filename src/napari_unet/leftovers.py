"""Temporary files and folders: their names tell who writes them, so that those of killed processes can be removed.

One stands beside the file or folder ("target") that it will replace:
``.TARGET.MACHINE-PROCESS-RANDOM.KIND``, then the target's suffix, if its writer needs one.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import re
import secrets
import shutil
from pathlib import Path
from typing import Literal

import psutil

Kind = Literal["partial", "scratch", "old"]
"""The target to be; something to compute with; the target as it was, put aside for the moment of replacing it."""

_NAME = re.compile(
    r"\.(?P<target>.+)\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{8}\.(?P<kind>partial|scratch|old)"
    r"(\.\w+)?"
)


def temporary(target: Path, kind: Kind, suffix: str = "") -> Path:
    """Name a temporary beside ``target``; what killed processes have left in that folder is removed first.

    Examples
    --------
    >>> path = temporary(Path("cells.tif"), "partial", ".tif")
    >>> path.name.startswith(".cells.tif."), path.name.endswith(".partial.tif")
    (True, True)
    """
    remove_leftovers(target.parent.absolute())
    return target.with_name(f".{target.name}.{_machine()}-{os.getpid()}-{secrets.token_hex(4)}.{kind}{suffix}")


@functools.cache
def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes have left in a folder; each folder is looked through once per process.

    Only temporaries of this machine whose process is gone are touched: of another machine's processes, which may
    write to the same network drive, nothing is known. A target that was put aside and never replaced comes back.
    """
    found = [(p, match) for p in _entries(folder) if (match := _NAME.fullmatch(p.name))]
    for path, match in found:
        if match["machine"] == _machine() and not psutil.pid_exists(int(match["process"])):
            _remove(path, path.with_name(match["target"]), match["kind"])


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # the writer will say what is wrong with it
        return []


def _remove(path: Path, target: Path, kind: str) -> None:
    with contextlib.suppress(OSError):  # another process removes them as well, or it can wait
        if kind == "old" and not target.exists():
            path.rename(target)
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


@functools.cache
def _machine() -> str:
    """Tell this machine from others; a container, which has processes of its own, counts as one."""
    facts = [platform.node(), _text("/etc/machine-id")]
    with contextlib.suppress(OSError):
        facts.append(str(os.readlink("/proc/self/ns/pid")))
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:8]


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
