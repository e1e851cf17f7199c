"""What keeps a project from being saved: another window, a name that is taken, a full disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from npe2 import PluginManager

from napari_unet.plugin.opening import read
from napari_unet.plugin.project import AGAIN
from napari_unet.storage.claim import Claim
from napari_unet.storage.project import FILE
from project_tools import Window, made, window_on


def test_a_full_disk_is_said_once_and_tried_again(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = window_on(image, tmp_path / "cache")
    window.keeper.keep_in(tmp_path / "a")
    window.keeper._wait()
    painted = window.paint((1, 1, 1))

    def no_space(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(tifffile, "imwrite", no_space)
        window.wait()
        window.wait(AGAIN + 1)
    assert sum("is full: make room" in text for text in window.said) == 1
    assert "the disk of" in window.keeper.state
    window.wait(AGAIN + 1)
    assert window.keeper.state == "a.unet: saved just now"
    np.testing.assert_array_equal(read(str(tmp_path / "a.unet"))[1][0], painted)
    window.controller.close()


def test_two_windows_on_one_project(image: Path, tmp_path: Path) -> None:
    folder = made(image, tmp_path)
    first, second = Window(tmp_path / "cache"), Window(tmp_path / "cache")
    first.bring(folder)
    second.bring(folder)
    assert f"open in another window (process {os.getpid()})" in second.said[-1]
    assert not second.keeper.is_named
    first.controller.close()
    third = Window(tmp_path / "cache")
    third.bring(folder)
    assert third.keeper.folder == folder
    for window in (second, third):
        window.controller.close()


def test_a_name_that_is_taken_is_refused(image: Path, tmp_path: Path) -> None:
    folder = made(image, tmp_path)
    before = (folder / FILE).read_bytes()
    window = window_on(image, tmp_path / "cache")
    window.keeper.keep_in(folder)
    assert "is there already: open it with 'Open ...'" in window.said[-1]
    assert (folder / FILE).read_bytes() == before
    window.controller.close()


def test_a_claim_that_was_refused_is_asked_for_again(image: Path, tmp_path: Path) -> None:
    window = window_on(image, tmp_path / "cache")
    window.paint((1, 1, 1))
    folder = window.keeper._now.folder
    folder.mkdir(parents=True)
    other = Claim(folder)
    other.take()
    window.wait()
    assert "open in another window" in window.keeper.state
    window.wait(AGAIN + 1)
    assert not (folder / FILE).exists()
    other.release()
    window.wait(AGAIN + 1)
    assert (folder / FILE).exists()
    window.controller.close()


def test_claims_are_given_back(image: Path, tmp_path: Path) -> None:
    folder = made(image, tmp_path)
    claim = Claim(folder)
    claim.take()
    claim.release()
    assert PluginManager.instance().get_manifest("napari-unet-live").contributions.readers
