"""What only the window knows of this machine: Qt, OpenGL, and where napari keeps its settings."""

from __future__ import annotations

import os
from pathlib import Path

import qtpy
from napari.settings import get_settings
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QMainWindow
from vispy.gloo import gl

from napari_unet.events import Finding

SOFTWARE = ("llvmpipe", "softpipe", "swiftshader", "software", "gdi generic")
"""Names of renderers that compute on the processor."""
SMALL = 4096
"""Pixels; images that are wider are shown coarsely if textures can be no larger."""


def window_facts(window: QMainWindow) -> tuple[Finding, ...]:
    """Look at the window that is open."""
    return (
        Finding("Qt", f"{qtpy.API_NAME} {qtpy.QT_VERSION}"),
        _opengl(window),
        look_at_settings(get_settings().config_path),
    )


def _opengl(window: QMainWindow) -> Finding:
    middle = window.centralWidget()
    canvas = middle.findChild(QOpenGLWidget) if middle is not None else None
    if canvas is None or canvas.context() is None:
        return Finding("OpenGL", "no picture is shown yet")
    canvas.makeCurrent()
    renderer, version = (str(gl.glGetParameter(name)) for name in (gl.GL_RENDERER, gl.GL_VERSION))
    size = int(gl.glGetParameter(gl.GL_MAX_TEXTURE_SIZE))
    canvas.doneCurrent()
    return look_at_opengl(renderer, version, size)


def look_at_opengl(renderer: str, version: str, size: int) -> Finding:
    """Judge what draws the picture.

    Parameters
    ----------
    renderer, version
        As OpenGL names them.
    size
        Longest side of a texture, pixels.

    Examples
    --------
    >>> look_at_opengl("NVIDIA RTX A4000", "4.6", 32768).good
    True
    >>> look_at_opengl("llvmpipe (LLVM 15)", "4.5", 16384).cure
    'drawing is slow, above all in 3D: install the driver of your graphics card, or work without remote desktop'
    """
    found = f"{renderer}, version {version}, textures up to {size} pixels"
    if any(name in renderer.lower() for name in SOFTWARE):
        slow = "drawing is slow, above all in 3D"
        cure = "install the driver of your graphics card, or work without remote desktop"
        return Finding("OpenGL", found, f"{slow}: {cure}")
    coarse = "images that are larger are shown coarsely: install the driver of your graphics card"
    return Finding("OpenGL", found, coarse if size < SMALL else "")


def look_at_settings(path: Path | str | None) -> Finding:
    """See whether napari can keep its settings.

    Examples
    --------
    >>> look_at_settings(None).cure
    'unset the environment variable NAPARI_CONFIG, or let it name a file'
    """
    if not path:
        return Finding(
            "settings", "napari keeps none", "unset the environment variable NAPARI_CONFIG, or let it name a file"
        )
    folder = next(p for p in Path(path).parents if p.exists())
    if not os.access(folder, os.W_OK):
        return Finding("settings", f"{path} cannot be written", f"let yourself write to {folder}")
    return Finding("settings", str(path))
