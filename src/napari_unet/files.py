"""Write a file or a folder whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_unet.leftovers import temporary as name_temporary


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path in the same folder that replaces ``path`` when the block ends well.

    The file is flushed to the disk before it is renamed; on an error (a full disk, say) the temporary
    file is removed and an older ``path`` stays as it was.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "a.txt"
    >>> with replacing(target) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    temporary = name_temporary(path, "partial", path.suffix)
    temporary.touch(mode=0o600, exist_ok=False)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def changed_at(path: Path) -> int:
    """Tell when a file, or the last one in a folder, was changed, in nanoseconds.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name, when in (("a", 5), ("b", 3)):
    ...     (folder / name).touch()
    ...     os.utime(folder / name, ns=(when, when))
    >>> changed_at(folder), changed_at(folder / "b")
    (5, 3)
    """
    if not path.is_dir():
        return path.stat().st_mtime_ns
    files = (os.path.join(root, name) for root, _, names in os.walk(path) for name in names)
    return max((os.stat(file).st_mtime_ns for file in files), default=0)


def umask() -> int:
    """Read the process's umask (which the standard library can only read by setting it)."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def replace_folder(new: Path, target: Path) -> None:
    """Let a folder take the place of another, which comes back if that fails."""
    old = name_temporary(target, "old")
    try:
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
