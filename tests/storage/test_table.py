"""Tables of cells on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_unet.arrays.axes import Image
from napari_unet.arrays.measuring import finish, measuring
from napari_unet.errors import UserError
from napari_unet.storage.samples import load_sample
from napari_unet.storage.table import as_text, check_table, write_table


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    data = load_sample("epithelium")
    labels = data.labels.copy()
    labels[0, 0] = labels.max() + 1  # a cell of one pixel, without eccentricity
    table = finish(measuring(Image(labels, "YX"), Image(data.image, "YX")))
    write_table(table, tmp_path / "a.csv")
    back = pd.read_csv(tmp_path / "a.csv", dtype={"neighbour_ids": str}, keep_default_na=True)
    assert back["neighbour_ids"].fillna("").tolist() == table["neighbour_ids"].tolist()
    assert np.isnan(back["eccentricity"].iloc[-1])
    rest = table.columns.drop("neighbour_ids")
    pd.testing.assert_frame_equal(back[rest], table[rest], check_dtype=False, rtol=1e-8)
    assert back["touches_border"].dtype == bool
    lines = as_text(table).splitlines()
    assert len(lines) == len(table) + 1
    assert lines[0].split("\t") == list(table.columns)


def test_a_failure_leaves_the_old_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a year of work")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    table = pd.DataFrame({"label": [1]})
    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    with pytest.raises(OSError, match="No space"):
        write_table(table, path)
    assert path.read_text() == "a year of work"
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_where_no_table_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "b.csv").mkdir()
    for path, said in (
        ("a.xlsx", "end the name in .csv"),
        ("no/a.csv", "does not exist"),
        ("b.csv", "is a folder"),
    ):
        with pytest.raises(UserError, match=said):
            check_table(tmp_path / path)
