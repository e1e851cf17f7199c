"""``napari-unet measure`` on files of bundled samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

import cli_tools
import napari_unet
from napari_unet.cli import measure
from napari_unet.storage.samples import FOLDER, load_sample


def run(*arguments: object) -> Any:
    return cli_tools.run("measure", *arguments)


def test_a_stack_is_measured_in_the_micrometres_of_its_file(tmp_path: Path) -> None:
    cells, image = FOLDER / "nuclei-3d-labels.ome.tif", FOLDER / "nuclei-3d.ome.tif"
    done = run(cells, "--image", image, "-o", tmp_path / "a.csv", "--channels", "DNA")
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "a.csv")
    data = load_sample("nuclei-3d")
    assert f"{len(table)} cells; saved" in done.stdout
    assert "measured as volumes" in done.stdout
    voxels = np.bincount(data.labels.ravel())
    np.testing.assert_array_equal(table["label"], np.flatnonzero(voxels)[1:])
    np.testing.assert_allclose(table["volume_um3"], voxels[table["label"]] * np.prod(data.spacing))
    first = data.image[data.labels == table["label"][0]]
    np.testing.assert_allclose(table["DNA_mean"][0], first.mean())
    ours = napari_unet.measure(cells, image, channels=["DNA"])
    pd.testing.assert_frame_equal(
        table.drop(columns="neighbour_ids"), ours.drop(columns="neighbour_ids"), check_dtype=False, rtol=1e-8
    )


def test_spacing_axes_and_slices_are_as_the_user_says(tmp_path: Path) -> None:
    labels = load_sample("nuclei-2").labels
    tifffile.imwrite(tmp_path / "cells.tif", np.stack([labels, labels]))
    out = tmp_path / "a.csv"
    assert run(tmp_path / "cells.tif", "-o", out, "--spacing", "0.5", "--axes", "TYX").exit_code == 0
    table = pd.read_csv(out)
    assert table["t"].unique().tolist() == [0, 1]
    np.testing.assert_allclose(table["area_um2"], table["pixels"] / 4)
    done = run(tmp_path / "cells.tif", "-o", out, "--per-slice", "--axes", "ZYX")
    assert "slice by slice" in done.stdout
    table = pd.read_csv(out)
    assert table["z"].unique().tolist() == [0, 1]
    assert list(table.columns[:3]) == ["label", "z", "pixels"]
    assert "measured as volumes" in run(tmp_path / "cells.tif", "-o", out, "--axes", "ZYX").stdout
    assert len(pd.read_csv(out)) == len(table) / 2


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["-o", "a.xlsx"], "end the name in .csv"),
        (["-o", "a.csv", "--spacing", "0"], "one to three numbers above 0"),
        (["-o", "a.csv", "--image", "other.tif"], "have to be the same"),
        (["-o", "a.csv", "--spacing", "1,2,3"], "cells.tif has no slices (axes YX): give one number"),
    ],
)
def test_mistakes_are_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("cells.tif", np.ones((20, 20), np.uint8))
    tifffile.imwrite("other.tif", np.ones((20, 30), np.uint8))
    done = run("cells.tif", *more)
    assert done.exit_code == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not Path("a.csv").exists()


def test_a_stopped_measurement_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "follow", lambda events, _: (next(events), 2)[1])
    done = run(FOLDER / "nuclei-1-labels.ome.tif", "-o", tmp_path / "a.csv")
    assert done.exit_code == 130
    assert "is not written" in done.stdout
    assert not any(tmp_path.iterdir())


def test_grey_images_are_not_measured_as_cells(tmp_path: Path) -> None:
    for name in ("nuclei-5", "nuclei-6", "nuclei-3d"):
        done = run(FOLDER / f"{name}.ome.tif", "-o", tmp_path / "a.csv")
        assert done.exit_code == 1
        assert f"{name}.ome.tif holds grey values and no cells" in done.stderr
    assert not any(tmp_path.iterdir())


def test_volumes_need_a_length_along_z(tmp_path: Path) -> None:
    cells, out = FOLDER / "nuclei-3d-labels.ome.tif", tmp_path / "a.csv"
    done = run(cells, "-o", out, "--spacing", "0.5,0.5")
    assert done.exit_code == 1
    assert "is measured as volumes: give those along Z,Y,X, or --per-slice" in done.stderr
    assert run(cells, "-o", out, "--spacing", "0.5,0.5", "--per-slice").exit_code == 0
