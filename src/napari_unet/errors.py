"""The one exception for mistakes that a user can cure, and how mistakes are said."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError


class UserError(ValueError):
    """A mistake in the input; its message names the value and the cure.

    The command line prints it as one line and exits with 1, the window shows it in the dock.
    Anything else that is raised is a fault of the program and keeps its traceback.
    """


def one_line(error: Exception) -> str:
    """Say a mistake in one line.

    Examples
    --------
    >>> one_line(UserError("no such file"))
    'no such file'
    >>> one_line(FileNotFoundError(2, "No such file or directory", "a.tif"))
    'a.tif: No such file or directory'
    """
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        words = first["msg"].removeprefix("Value error, ")
        of_several = isinstance(first["input"], dict | BaseModel)  # a rule about more than one field names them
        return words if of_several or not where else f"{where}: {words} (got {first['input']!r})"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, MemoryError):
        return "the memory is full; close other programs, or use a smaller --tile, --patch or --batch"
    return " ".join(str(error).split())
