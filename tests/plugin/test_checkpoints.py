"""Files of trainings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_unet.errors import UserError
from napari_unet.plugin.checkpoints import KEPT, Checkpoints


def save(path: Path, time: int = 0) -> None:
    """What a training does at its first check."""
    for file in (path, path.with_suffix(".resume.safetensors")):
        file.touch()
        os.utime(file, (time, time))


def test_only_the_last_trainings_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "with space and ü")
    other = tmp_path / "with space and ü" / "mine.safetensors"
    made = []
    for n in range(KEPT + 3):
        path = checkpoints.new()
        save(path, n)
        other.touch()
        made.append(path)
        checkpoints.tidy()
    assert checkpoints.current == made[-1]
    left = sorted(p for p in checkpoints.folder.iterdir() if p != other)
    assert left == sorted(f for p in made[-KEPT:] for f in (p, p.with_suffix(".resume.safetensors")))
    assert other.exists()


def test_nothing_to_go_on_with_at_first(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    assert not checkpoints.can_go_on
    checkpoints.new()
    assert not checkpoints.can_go_on


def test_a_training_that_saves_nothing_costs_nothing(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    good = checkpoints.new()
    save(good)
    for _ in range(2 * KEPT):
        checkpoints.new()
        checkpoints.tidy()
    assert checkpoints.current == good
    assert good.is_file()


def test_tidying_spares_the_training_that_is_gone_on_with(tmp_path: Path) -> None:
    mine, others = Checkpoints(tmp_path), Checkpoints(tmp_path)
    save(mine.new())
    for n in range(KEPT + 1):
        save(others.new(), n + 1)
    mine.tidy()
    assert mine.current is not None
    assert mine.current.is_file()


def test_tidying_spares_what_another_open_window_has_trained(tmp_path: Path) -> None:
    theirs, of_a_dead_one = (
        tmp_path / f"training-20260101-000000-0-{n}.safetensors" for n in (os.getppid(), 2**30)
    )
    for path in (theirs, of_a_dead_one):
        save(path)
    mine = Checkpoints(tmp_path)
    for n in range(KEPT):
        save(mine.new(), n + 1)
    mine.tidy()
    assert theirs.is_file()
    assert not of_a_dead_one.exists()


def test_no_folder_is_a_clear_message(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot make the folder .*file.trainings, in which trainings are saved"):
        Checkpoints(tmp_path / "file" / "trainings").new()
