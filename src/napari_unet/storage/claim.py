"""Only one window writes into a project."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from filelock import FileLock, Timeout

from napari_unet.errors import UserError

LOCK, OWNER = ".lock", ".owner"


class Claim:
    """The right to write into a folder; the system takes it back when the process dies.

    Parameters
    ----------
    folder
        Is there already.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> mine = Claim(folder)
    >>> mine.take()
    >>> is_claimed(folder)
    True
    >>> mine.release()
    >>> is_claimed(folder)
    False
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(folder / LOCK, blocking=False)

    def take(self) -> None:
        """Take it.

        Raises
        ------
        UserError
            If another window has it, or the folder cannot be written into.
        """
        try:
            self._lock.acquire()
            (self._folder / OWNER).write_text(str(os.getpid()), encoding="ascii")
        except Timeout as error:
            raise UserError(f"{self._folder} is open in another window ({_owner(self._folder)})") from error
        except NotImplementedError:  # a drive without locks: better without than not at all
            return
        except OSError as error:
            self._lock.release()
            raise UserError(f"cannot write into {self._folder} ({error.strerror})") from error

    def release(self) -> None:
        """Give it back."""
        self._lock.release()
        for name in (OWNER, LOCK):
            with contextlib.suppress(OSError):  # another window may have it by now, or the disk is gone
                (self._folder / name).unlink(missing_ok=True)


def is_claimed(folder: Path) -> bool:
    """Whether a window that lives writes into a folder."""
    if not (folder / LOCK).exists():
        return False
    try:
        with FileLock(folder / LOCK, blocking=False):
            return False
    except Timeout:
        return True
    except (OSError, NotImplementedError):
        return False


def _owner(folder: Path) -> str:
    try:
        return f"process {int((folder / OWNER).read_text(encoding='ascii')[:20])}"
    except (OSError, ValueError):
        return "of this or another machine"
