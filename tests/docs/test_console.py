"""Commands of the pages run, in their order, on small files with the names used there."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

import napari_unet as nu
from cli_tools import run
from napari_unet.learn.start import shipped
from napari_unet.storage.ome_zarr import metadata
from napari_unet.storage.samples import load_sample
from synthetic import tissue

ROOT = Path(__file__).parents[2]
COMMAND = re.compile(r"^\$ napari-unet +(?!--)(.+)$", re.MULTILINE)
SHORT = [(r"--seconds \d+", "--steps 3 --base 4"), ("1024:3072", "16:80"), ("0:2048", "0:48")]
"""Less to compute than what a page asks for."""

ELSEWHERE = ("--scheduler", "theirs.")
"""In what tests/jobs runs: a cluster, code and weights of others."""


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
    (folder / "images").mkdir()
    tifffile.imwrite(folder / "images" / "a.tif", sample.image[:64, :64])


def volume(folder: Path) -> None:
    """A stack, its cells as volumes."""
    image, cells = tissue((8, 48, 48), 40)
    for name, values in (("stack", image), ("stack-cells", cells)):
        tifffile.imwrite(folder / f"{name}.ome.tif", values, metadata={"axes": "ZYX"})


def stack(folder: Path) -> None:
    """A stack, a truth, and a model."""
    image, cells = tissue((2, 64, 64), 30)
    tifffile.imwrite(folder / "stack.tif", image)
    tifffile.imwrite(folder / "truth.tif", cells)
    model(folder / "mine.safetensors")


def movie(folder: Path) -> None:
    """A movie and a model."""
    tifffile.imwrite(folder / "movie.ome.tif", tissue((3, 64, 64), 30)[0], metadata={"axes": "TYX"})
    model(folder / "mine.safetensors")


def two_years(folder: Path) -> None:
    """Folders of images and labels, of two years."""
    nuclei(folder)
    shutil.copytree(folder / "labels", folder / "new-labels")


def others(folder: Path) -> None:
    """Other images, and a model."""
    nuclei(folder)
    (folder / "images").rename(folder / "other-images")
    model(folder / "mine.safetensors")


def large(folder: Path) -> None:
    """A zarr, a movie of stacks, and a model."""
    image, _ = tissue((12, 64, 96), 30)
    new_zarr(folder / "big.ome.zarr", "ZYX", image)
    new_zarr(folder / "movie.ome.zarr", "TZYX", np.resize(image, (10, 6, 64, 96)))
    model(folder / "model.safetensors")


def new_zarr(path: Path, axes: str, image: np.ndarray) -> None:
    """An OME-Zarr."""
    facts = metadata(axes, (1, 1, 1), "pixel", path.name, cells=False)
    zarr.create_group(path, attributes=facts).create_array("0", data=image)


def folders(folder: Path) -> None:
    """Images in folders, and a model."""
    for name in ("images/day 1/a.tif", "images/b.tif", "plate/1/c.tif"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shape = (20, 32, 48) if "plate" in name else (48, 64)
        tifffile.imwrite(folder / name, tissue(shape, 30)[0], photometric="minisblack")
    new_zarr(folder / "extra.ome.zarr", "ZYX", tissue((20, 32, 48), 30)[0])
    model(folder / "model.safetensors")


def packages(folder: Path) -> None:
    """A model, a package of others, an image."""
    model(folder / "mine.safetensors")
    shutil.copy(ROOT / "tests" / "data" / "unet2d_nuclei_broad.zip", folder / "nuclei.zip")
    tifffile.imwrite(folder / "image.tif", tissue((64, 64), 30)[0])


def results(folder: Path) -> None:
    """A model, an image, and cells of it; the first two at another place, too."""
    tifffile.imwrite(folder / "image.tif", tissue((64, 64), 30)[0])
    model(folder / "mine.safetensors")
    made = ["predict", "mine.safetensors", "image.tif", "-o", "cells.ome.tif", "--output", "cells"]
    assert run(*made).exit_code == 0
    measured = ["measure", "cells.ome.tif", "--image", "image.tif", "-o", "cells.csv"]
    assert run(*measured).exit_code == 0
    shutil.copy(folder / "image.tif", folder / "moved.tif")
    shutil.copy(folder / "mine.safetensors", folder / "moved.safetensors")


def model(path: Path) -> None:
    """The model that the package brings."""
    nu.Model(shipped()).save(path)


@pytest.mark.parametrize(
    ("page", "prepare"),
    [
        ("README.md", readme),
        ("docs/howto/membranes.md", membranes),
        ("docs/howto/nuclei.md", nuclei),
        ("docs/howto/volumes.md", volume),
        ("docs/howto/cells.md", stack),
        ("docs/howto/time-lapse.md", movie),
        ("docs/howto/fine-tune.md", two_years),
        ("docs/howto/large.md", large),
        ("docs/howto/batch.md", folders),
        ("docs/howto/exchange.md", packages),
        ("docs/howto/provenance.md", results),
        ("docs/tutorial.md", others),
    ],
)
def test_the_commands_of_a_page_run(page, prepare, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    lines = COMMAND.findall((ROOT / page).read_text("utf-8"))
    assert lines
    for line in lines:
        if any(word in line for word in ELSEWHERE):
            continue
        for long, short in SHORT:
            line = re.sub(long, short, line)
        result = run(*shlex.split(line, comments=True))
        assert result.exit_code == 0, (line, result.output)
        assert "warning" not in result.output
