"""Commands of the pages run, in their order, on small files with the names used there."""

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_unet.cli import app
from napari_unet.storage.samples import load_sample
from synthetic import tissue

ROOT = Path(__file__).parents[2]
COMMAND = re.compile(r"^\$ napari-unet +((?:train|predict|score) .+)$", re.MULTILINE)


def membranes(folder: Path) -> None:
    """255 inside, 0 membrane, as in ISBI 2012."""
    image, cells = tissue((3, 96, 96), 60)
    edges = [np.diff(cells, axis=a, append=cells.take([-1], axis=a)) != 0 for a in (1, 2)]
    labels = np.where(edges[0] | edges[1], 0, 255).astype(np.uint8)
    for name, part in (("train", slice(0, 2)), ("test", slice(2, 3))):
        tifffile.imwrite(folder / f"{name}.tif", image[part])
        tifffile.imwrite(folder / f"{name}-labels.tif", labels[part])


def nuclei(folder: Path) -> None:
    """Folders of images and labels with the same names."""
    for number in (1, 2):
        sample = load_sample(f"nuclei-{number}")
        of = {"images": sample.image, "labels": sample.labels, "new-images": sample.image}
        for name, values in (of | {"true-cells": sample.labels}).items():
            (folder / name).mkdir(exist_ok=True)
            tifffile.imwrite(folder / name / f"{number}.tif", values[:96, :96])


def readme(folder: Path) -> None:
    """One image with all of its cells."""
    sample = load_sample("epithelium")
    tifffile.imwrite(folder / "image.tif", sample.image)
    for name in ("labels", "truth"):
        tifffile.imwrite(folder / f"{name}.tif", sample.labels)


@pytest.mark.parametrize(
    ("page", "prepare"),
    [("README.md", readme), ("docs/howto/membranes.md", membranes), ("docs/howto/nuclei.md", nuclei)],
)
def test_the_commands_of_a_page_run(page, prepare, tmp_path, monkeypatch):
    prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    lines = COMMAND.findall((ROOT / page).read_text("utf-8"))
    assert {line.split()[0] for line in lines} == {"train", "predict", "score"}
    for line in lines:
        arguments = re.sub(r"--seconds \d+", "--steps 3 --base 4", line).split()
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, (line, result.output)
        assert "warning" not in result.output
