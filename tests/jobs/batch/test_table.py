"""The table summary.csv: which rows are in it, whatever happens to it and to the images."""

import pytest

from batch_tools import rows, states, table
from napari_unet.errors import UserError
from napari_unet.events import BatchProgress, ImageDone, Note
from napari_unet.jobs import batch as run


def test_a_table_that_a_spreadsheet_saves_meanwhile_waits(spec, images, tmp_path):
    summary = tmp_path / "out" / "summary.csv"
    kept, said = b"", []
    for event in run(spec()):
        if isinstance(event, ImageDone) and event.name == "a":
            kept = summary.read_bytes()
            summary.write_bytes(kept.replace(b",", b";").replace(b"done", "f\xfcr".encode("cp1252")))
        elif isinstance(event, ImageDone) and event.name == "b":
            summary.write_bytes(kept)
        elif isinstance(event, Note) and event.warning:
            said.append(event.text)
    assert set(table(tmp_path / "out")) == {"a", "b", "cut", "day 2/a"}
    assert len(said) == 1
    assert "waits with its new rows" in said[0]
    assert "spreadsheet" in said[0]


def test_an_image_has_one_row_however_it_is_typed(spec, images, tmp_path, monkeypatch):
    list(run(spec(inputs=(str(images / "a.tif"),))))
    monkeypatch.chdir(images)
    assert states(run(spec(inputs=("a.tif",)))) == {"a": "skipped"}
    assert len((tmp_path / "out" / "summary.csv").read_text().splitlines()) == 2


def test_what_measuring_warns_of_is_in_the_row(spec, images, monkeypatch):
    real = run.__globals__["measure_cells"]

    def warning(*args, **more):
        yield Note("2 cells are too large", warning=True)
        yield from real(*args, **more)

    monkeypatch.setitem(run.__globals__, "measure_cells", warning)
    (row,) = rows(run(spec(inputs=(str(images / "a.tif"),), measure=True))).values()
    assert row.status == "done"
    assert "2 cells are too large" in row.message


def test_another_table_of_that_name_is_left_alone(spec, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "summary.csv").write_text("gene,count\nactb,3\n")
    with pytest.raises(UserError, match="another table"):
        run(spec())
    assert (tmp_path / "out" / "summary.csv").read_text().startswith("gene")


def test_shards_share_the_images_and_the_table(spec, tmp_path):
    first = rows(run(spec(), shard=(1, 2)))
    second = rows(run(spec(), shard=(2, 2)))
    assert not set(first) & set(second)
    assert set(table(tmp_path / "out")) == set(first) | set(second) == {"a", "b", "cut", "day 2/a"}


def test_a_failure_leaves_the_table_as_its_image_is_tried_again(spec, images, tmp_path):
    wanted = spec(inputs=(str(images / "a.tif"), str(images / "cut.tif")))
    other = spec(inputs=(str(images / "day 2"), str(images / "a.tiff")))
    list(run(wanted))
    list(run(other))
    assert table(tmp_path / "out")["cut"]["status"] == "failed"
    (tmp_path / "out" / "a.tif").unlink()
    (images / "cut.tif").write_bytes((images / "b.tif").read_bytes())
    events = run(wanted)
    for event in events:
        if isinstance(event, BatchProgress):
            break
    events.close()  # before an image was made
    assert "cut" not in table(tmp_path / "out")
    assert "a.tiff" in table(tmp_path / "out")  # of another batch


def test_moved_images_keep_one_row_each(spec, images, tmp_path):
    first = rows(run(spec()))
    new = tmp_path / "new"
    new.mkdir()
    images.rename(new / "images")
    (tmp_path / "out").rename(new / "out")
    again = rows(run(spec(inputs=(str(new / "images"),), folder=new / "out")))
    assert {name: row.status for name, row in again.items()} == {
        "a": "skipped",
        "b": "skipped",
        "cut": "failed",
        "day 2/a": "skipped",
    }
    assert again["a"].seconds == first["a"].seconds > 0
    lines = (new / "out" / "summary.csv").read_text().splitlines()
    assert len(lines) == 5
    assert all(f"{new / 'images'}" in line for line in lines[1:])


def test_failures_of_files_that_are_away_stay_in_the_table(spec, images, tmp_path):
    list(run(spec(inputs=(str(images / "cut.tif"), str(images / ("x" * 300))))))
    (images / "cut.tif").rename(images / "cut.away")
    list(run(spec(inputs=(str(images / "a.tif"),))))
    assert "cut" in table(tmp_path / "out")


def test_a_misspelt_name_leaves_the_table_when_it_is_mended(spec, images, tmp_path):
    list(run(spec(inputs=(str(images / "a.tiff"), str(images / "cut.tif")))))
    assert set(table(tmp_path / "out")) == {"a.tiff", "cut"}
    list(run(spec(inputs=(str(images / "a.tiff"), str(images / "a.tif")))))
    assert set(table(tmp_path / "out")) == {"a.tiff", "a", "cut"}  # still named
    list(run(spec(inputs=(str(images / "a.tif"),))))
    assert set(table(tmp_path / "out")) == {"a", "cut"}
