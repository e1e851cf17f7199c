"""Write a file whole or not at all."""

from __future__ import annotations

import os
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


def umask() -> int:
    """Read the process's umask (which the standard library can only read by setting it)."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
