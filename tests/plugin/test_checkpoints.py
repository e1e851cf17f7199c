"""Files of trainings."""

from __future__ import annotations

import os
from pathlib import Path

from napari_unet.plugin.checkpoints import KEPT, Checkpoints


def test_only_the_last_trainings_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "with space and ü")
    other = tmp_path / "with space and ü" / "mine.safetensors"
    made = []
    for n in range(KEPT + 3):
        path = checkpoints.new()
        for file in (path, path.with_suffix(".resume.safetensors")):
            file.touch()
            os.utime(file, (n, n))
        other.touch()
        made.append(path)
    assert checkpoints.can_go_on
    left = sorted(p for p in checkpoints.folder.iterdir() if "resume" not in p.name and p != other)
    assert left == sorted(made[-KEPT - 1 :])
    assert other.exists()


def test_nothing_to_go_on_with_at_first(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    assert not checkpoints.can_go_on
    checkpoints.new()
    assert not checkpoints.can_go_on
