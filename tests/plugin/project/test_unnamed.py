"""Projects without a name: kept in case of a crash, and moved to the folder that is chosen later."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_unet.plugin import unnamed
from napari_unet.plugin.opening import read
from napari_unet.plugin.project import UNNAMED
from napari_unet.storage.project import FILE
from napari_unet.storage.samples import load_sample
from project_tools import Window, another, window_on


def test_a_crash_before_a_folder_was_chosen_loses_no_stroke(image: Path, tmp_path: Path) -> None:
    window = window_on(image, tmp_path / "cache")
    window.wait()
    assert not (tmp_path / "cache" / "unnamed").exists()  # nothing is painted
    painted = window.paint((1, 1, 1), (5, 5, 5))
    window.wait()
    assert window.keeper.state == UNNAMED
    assert window.keeper.lost() == []
    claim = window.keeper._now.claim
    assert claim is not None
    claim.release()  # as the system does when a process dies
    after = Window(tmp_path / "cache")
    (lost,) = after.keeper.lost()
    after.bring(lost)
    np.testing.assert_array_equal(after.viewer.layers["strokes"].data, painted)
    assert not after.keeper.is_named
    after.keeper.keep_in(tmp_path / "named")
    after.keeper._wait()
    np.testing.assert_array_equal(read(str(tmp_path / "named.unet"))[1][0], painted)
    assert not lost.exists()
    after.viewer.add_labels(np.zeros((2, 2), np.uint8))
    assert after.keeper.folder == tmp_path / "named.unet"
    after.controller.close()
    window.controller.close()


def test_the_last_ones_without_a_name_are_kept(image: Path, tmp_path: Path) -> None:
    for _ in range(unnamed.KEPT + 2):
        window = window_on(image, tmp_path / "cache")
        window.paint((1, 1, 1))
        window.controller.close()
    window = window_on(image, tmp_path / "cache")
    assert window.keeper.lost() == []  # they ended as they should
    assert len(list((tmp_path / "cache" / "unnamed").iterdir())) == unnamed.KEPT
    window.controller.close()


def test_layers_that_were_closed_go_along_into_a_folder(image: Path, tmp_path: Path) -> None:
    window = window_on(image, tmp_path / "cache")
    window.viewer.add_image(load_sample("nuclei-3d").image + 1, name="computed")
    window.controller.selection.choose_image(window.viewer.layers["computed"])
    window.paint((1, 1, 1))
    window.wait()
    for name in ("strokes", "computed"):
        window.viewer.layers.remove(name)
        window.wait(60)
    painted = window.paint((2, 2, 2))
    window.wait(60)
    nameless = window.keeper._now.folder
    window.controller.close()

    again = Window(tmp_path / "cache")
    again.bring(nameless)
    assert len(again.viewer.layers) == 2
    again.keeper.keep_in(tmp_path / "kept")
    again.wait()
    again.controller.close()
    assert not nameless.exists()
    folder = tmp_path / "kept.unet"
    file = folder / FILE
    file.write_text(file.read_text().replace('"is_open": false', '"is_open": true'))
    (computed, first, _), _, (closed, second, _), (still, third, _) = read(str(folder))
    assert [first["name"], second["name"], third["name"]] == ["computed", "strokes", "strokes"]
    np.testing.assert_array_equal(computed, load_sample("nuclei-3d").image + 1)
    assert closed[1, 1, 1] == 1
    np.testing.assert_array_equal(still, painted)


def test_a_folder_that_cannot_take_everything_is_not_taken(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = window_on(image, tmp_path / "cache")
    window.paint((1, 1, 1))
    window.wait()
    window.viewer.layers.remove("strokes")
    window.wait()
    nameless = window.keeper._now.folder
    window.controller.close()
    again = Window(tmp_path / "cache")
    again.bring(nameless)

    def no_space(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copy2", no_space)
        again.keeper.keep_in(tmp_path / "kept")
    assert "Not everything could be copied" in again.said[-1]
    assert not (tmp_path / "kept.unet").exists()
    assert not again.keeper.is_named
    assert nameless.exists()
    again.controller.close()


def test_the_project_that_gets_a_name_is_not_tidied_away_before_it_is_copied(image: Path, tmp_path: Path) -> None:
    oldest = window_on(image, tmp_path / "cache")
    oldest.paint((1, 1, 1))
    oldest.wait()
    folder = oldest.keeper._now.folder
    for _ in range(unnamed.KEPT + 1):
        window = window_on(image, tmp_path / "cache")
        window.paint((1, 1, 1))
        window.controller.close()
    seen = []
    oldest.keeper.moved.connect(lambda _: seen.append(folder.exists()))
    oldest.keeper.keep_in(tmp_path / "kept")
    assert seen == [True]
    oldest.controller.close()
    assert not folder.exists()


def test_new_trainings_of_a_project_without_a_name_are_not_saved_in_the_one_before(
    image: Path, tmp_path: Path
) -> None:
    window = window_on(image, tmp_path / "cache")
    window.paint((1, 1, 1))
    window.wait()
    nameless = window.keeper._now.folder
    window.controller.close()
    window = Window(tmp_path / "cache")
    window.bring(another(tmp_path, training=False))
    window.bring(nameless)
    assert window.controller.trainer.checkpoints.folder == tmp_path / "cache" / "trainings"
    window.controller.close()
