"""What the machine offers: versions, memory, disk, devices, and a small computation to see that they work."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pooch

from napari_unet.errors import one_line
from napari_unet.events import Finding
from napari_unet.jobs.graphics import CHOOSER, Driver, System, ask_driver, ask_torch, cure_of, look_at_graphics
from napari_unet.storage.budget import available_memory, human

_LOW_MEMORY = 2 * 10**9
_LOW_DISK = 5 * 10**9
_QT = ("PySide6", "PySide6-Essentials", "PyQt6", "PyQt5", "PySide2")
_BROKEN_QT = {"PySide6-Essentials": ("6.12.0",), "PySide6": ("6.12.0",)}


def doctor() -> Iterator[Finding]:
    """Look at the machine, one finding after the other."""
    yield _versions()
    yield _memory()
    yield look_at_disk(Path(tempfile.gettempdir()), "results that are too large for the memory")
    yield look_at_disk(Path(pooch.os_cache("napari-unet-live")), "trainings and downloads")
    yield _window()
    yield _agglomeration()
    yield from _devices()


def version_of(package: str) -> str | None:
    """Return the version of an installed package, without importing it.

    Examples
    --------
    >>> version_of("no-such-package") is None
    True
    """
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _versions() -> Finding:
    names = ("napari-unet-live", "torch", "napari", "numpy", "zarr", "tifffile")
    found = ", ".join(f"{n} {version_of(n) or 'missing'}" for n in names)
    return Finding("versions", f"Python {platform.python_version()} on {platform.system()}; {found}")


def _memory() -> Finding:
    free, cores = available_memory(), os.cpu_count() or 1
    words = f"{human(free)} free, {cores} CPU core(s)"
    low = "close other programs: training needs about 2 GB" if free < _LOW_MEMORY else ""
    return Finding("memory", words, low)


def look_at_disk(folder: Path, purpose: str) -> Finding:
    """See whether a folder, which is made if need be, can be written to and has room."""
    what = f"folder for {purpose}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"napari-unet doctor")
    except OSError as error:
        cure = f"let yourself write to {folder}, or set XDG_CACHE_HOME or TMPDIR to another folder"
        return Finding(what, f"{folder} cannot be written to ({error.strerror})", cure)
    free = shutil.disk_usage(folder).free
    low = "make room on this disk: a stack of results takes gigabytes" if free < _LOW_DISK else ""
    return Finding(what, f"{human(free)} free on the disk of {folder}", low)


def _window() -> Finding:
    found = {n: v for n in _QT if (v := version_of(n))}
    if not found:
        return Finding("window", "no Qt binding", 'for the napari window: pip install "napari-unet-live[qt]"')
    words = ", ".join(f"{n} {v}" for n, v in found.items())
    if sys.version_info < (3, 12) and any(v in _BROKEN_QT.get(n, ()) for n, v in found.items()):
        return Finding(
            "window", words, 'this one crashes on Python 3.11: pip install "PySide6-Essentials!=6.12.0"'
        )
    return Finding("window", words)


def _agglomeration() -> Finding:
    found = version_of("python-elf")
    if found is None:
        return Finding(
            "cells",
            "python-elf is missing: the watershed is used",
            'better cells: pip install "napari-unet-live[cells]"',
        )
    return Finding("cells", f"python-elf {found} (GASP and multicut)")


def _devices() -> Iterator[Finding]:
    """Find the devices and compare a convolution on each with the CPU in double precision."""
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a library of its own is missing, as on Windows
        cure = f"install it anew: pip install --force-reinstall torch ({CHOOSER})"
        yield Finding("torch", f"cannot be loaded ({one_line(error)})", cure, broken=True)
        return
    driver = ask_driver()
    yield look_at_graphics(driver, ask_torch(), System())
    names = ["cpu"]
    if torch.cuda.is_available():
        names.append("cuda")
    elif torch.backends.mps.is_available():
        names.append("mps")
    for name in names:
        yield _self_test(name, driver)
    yield _precision()


def _precision() -> Finding:
    """Tell whether the CPU trains in half precision, in which it makes half as many steps again."""
    from napari_unet.learn.precision import has_bfloat16

    if has_bfloat16():
        return Finding(
            "processor", "trains the default network in half precision (bfloat16), predicts in it if asked to"
        )
    return Finding("processor", "computes in full precision (float32) only")


def _self_test(name: str, driver: Driver | None) -> Finding:
    import torch

    generator = torch.Generator().manual_seed(0)
    what = f"self-test on {name}"
    for ndim in (2, 3):
        x = torch.randn((1, 4, *(16,) * ndim), generator=generator, dtype=torch.float64)
        w = torch.randn((8, 4, *(3,) * ndim), generator=generator, dtype=torch.float64) / 10
        convolve = torch.nn.functional.conv2d if ndim == 2 else torch.nn.functional.conv3d
        expected = convolve(x, w, padding=1)
        try:
            got = convolve(x.float().to(name), w.float().to(name), padding=1).cpu().double()
        except (RuntimeError, NotImplementedError) as error:
            words = f"a {ndim}D convolution fails ({str(error).splitlines()[0]})"
            return Finding(what, words, cure_of(str(error), driver), broken=name == "cpu")
        if not torch.allclose(got, expected, atol=5e-2):
            wrong = float((got - expected).abs().max())
            words = f"a {ndim}D convolution is wrong by {wrong:.2g}"
            return Finding(what, words, cure_of(), broken=name == "cpu")
    return Finding(what, "2D and 3D convolutions are right")
