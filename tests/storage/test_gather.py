"""What a user names becomes a list of images, each with the name of its outputs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from napari_unet.spec import ImageFacts, Predicting
from napari_unet.storage.gather import gather
from napari_unet.storage.positions import positions
from napari_unet.storage.records import as_creator, new_record
from napari_unet.storage.results import NO_IMAGE, ONLY_RESULTS
from napari_unet.storage.write import create_output


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def names(found):
    return [f.name for f in found]


def position(path):
    """An image of one plane, as OME-Zarr 0.5."""
    group = zarr.create_group(path)
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [
            {
                "axes": [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}],
                "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0]}]}],
            }
        ],
    }
    group.create_array("0", data=np.zeros((8, 8), np.uint8))


def series(path, count):
    """The layout of bioformats2raw."""
    zarr.create_group(path).attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    for number in range(count):
        position(path / str(number))


def plate(path, wells=("A/1", "B/2"), fields=2):
    listed = [{"path": w, "rowIndex": 0, "columnIndex": 0} for w in wells]
    zarr.create_group(path).attrs["ome"] = {"version": "0.5", "plate": {"wells": listed}}
    for well in wells:
        images = [{"path": str(n)} for n in range(fields)]
        zarr.create_group(path / well).attrs["ome"] = {"version": "0.5", "well": {"images": images}}
        for n in range(fields):
            position(path / well / str(n))


def test_folders_below_are_mirrored_only_when_asked_for(tmp_path):
    touch(tmp_path / "in", "b.tif", "a.png", "day 2/b.tif", "notes.txt", ".hidden.tif")
    assert names(gather([str(tmp_path / "in")], tmp_path / "out")) == ["a", "b"]
    assert names(gather([str(tmp_path / "in")], tmp_path / "out", recursive=True)) == ["a", "b", "day 2/b"]


def test_outputs_within_the_images_are_no_inputs(tmp_path):
    touch(tmp_path, "a.tif", "out/a.tif", "out/inputs/x.tif")
    assert names(gather([str(tmp_path)], tmp_path / "out", recursive=True)) == ["a"]
    assert names(gather([str(tmp_path / "**" / "*.tif")], tmp_path / "out")) == ["a"]


def test_patterns_that_the_shell_left_alone(tmp_path):
    touch(tmp_path, "d1/a.tif", "d1/b.png", "d2/a.tif")
    found = gather([str(tmp_path / "*" / "*.tif")], tmp_path / "out")
    assert names(found) == ["d1/a", "d2/a"]
    assert all(not f.problem for f in found)
    touch(tmp_path, "odd[1].tif")
    assert names(gather([str(tmp_path / "odd[1].tif")], tmp_path / "out")) == ["odd[1]"]


def test_each_image_counts_once(tmp_path):
    touch(tmp_path, "a.tif", "b.tif")
    found = gather([str(tmp_path / "b.tif"), str(tmp_path), str(tmp_path / "*.tif")], tmp_path / "out")
    assert names(found) == ["b", "a"]


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("gone.tif", "no such file"),
        ("*.jpg", "no file is of that pattern"),
        ("notes.txt", "not an image"),
        ("empty", "holds no images"),
        ("half.zarr", "holds no zarr metadata"),
    ],
)
def test_what_is_not_there_is_told(tmp_path, named, words):
    touch(tmp_path, "notes.txt")
    (tmp_path / "empty").mkdir()
    (tmp_path / "half.zarr").mkdir()
    (found,) = gather([str(tmp_path / named)], tmp_path / "out")
    assert words in found.problem


def test_positions_of_a_file_with_several_series(tmp_path):
    series(tmp_path / "many.zarr", 11)
    found = gather([str(tmp_path / "many.zarr")], tmp_path / "out")
    assert names(found) == [f"many/{n}" for n in range(11)]
    assert found[10].path == tmp_path / "many.zarr" / "10"
    series(tmp_path / "one.zarr", 1)
    assert names(gather([str(tmp_path / "one.zarr")], tmp_path / "out")) == ["one"]


def test_the_list_of_series_rules_if_there_is_one(tmp_path):
    series(tmp_path / "many.zarr", 3)
    zarr.create_group(tmp_path / "many.zarr" / "OME").attrs["ome"] = {"series": ["2", "0"]}
    assert [p.path for p in positions(tmp_path / "many.zarr")] == ["2", "0"]


def test_fields_of_a_plate(tmp_path):
    plate(tmp_path / "in" / "plate.ome.zarr")
    found = gather([str(tmp_path / "in")], tmp_path / "out")
    assert names(found) == ["plate/A/1/0", "plate/A/1/1", "plate/B/2/0", "plate/B/2/1"]


def test_zarr_of_version_2(tmp_path):
    path = tmp_path / "old.zarr"
    zarr.create_group(path, zarr_format=2).attrs["bioformats2raw.layout"] = 3
    for n in range(2):
        zarr.create_array(path / str(n), data=np.zeros((4, 4), np.uint8), zarr_format=2)
    assert [p.path for p in positions(path)] == ["0", "1"]


def test_an_ordinary_image_has_no_positions(tmp_path):
    position(tmp_path / "a.zarr")
    assert positions(tmp_path / "a.zarr") == []


@pytest.mark.parametrize("bad", ["../secret", "A\\..\\..\\b", "C:x"])
def test_a_forged_plate_leads_nowhere(tmp_path, bad):
    plate(tmp_path / "p.zarr", wells=("A/1",), fields=1)
    file = tmp_path / "p.zarr" / "A" / "1" / "zarr.json"
    facts = json.loads(file.read_text())
    facts["attributes"]["ome"]["well"]["images"] = [{"path": bad}]
    file.write_text(json.dumps(facts))
    (found,) = gather([str(tmp_path / "p.zarr")], tmp_path / "out")
    assert "lies outside of it" in found.problem


def test_a_damaged_plate_is_told_and_the_others_are_found(tmp_path):
    plate(tmp_path / "p.zarr")
    (tmp_path / "p.zarr" / "zarr.json").write_text("{")
    tifffile.imwrite(tmp_path / "z.tif", np.zeros((4, 4), np.uint8))
    bad, good = gather([str(tmp_path)], tmp_path / "out")
    assert "positions cannot be read" in bad.problem
    assert (good.name, good.problem) == ("z", "")


def test_a_well_that_is_missing_or_damaged_is_told_and_the_others_are_found(tmp_path):
    plate(tmp_path / "p.zarr", wells=("A/1", "B/2", "C/3"), fields=1)
    (tmp_path / "p.zarr" / "B" / "2" / "zarr.json").write_text("{")
    shutil.rmtree(tmp_path / "p.zarr" / "C" / "3")
    good, damaged, gone = gather([str(tmp_path)], tmp_path / "out")
    assert (good.name, good.problem) == ("p/A/1/0", "")
    assert (damaged.name, gone.name) == ("p/B/2", "p/C/3")
    assert "this well cannot be read" in damaged.problem
    assert "this well is not there" in gone.problem


def test_a_forged_well_is_not_opened(tmp_path, monkeypatch):
    plate(tmp_path / "p.zarr", wells=("A/1",), fields=1)
    file = tmp_path / "p.zarr" / "zarr.json"
    facts = json.loads(file.read_text())
    facts["attributes"]["ome"]["plate"]["wells"] = [{"path": "../secret"}]
    file.write_text(json.dumps(facts))
    opened = []
    real = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path, **more: opened.append(path) or real(path, **more))
    plate(tmp_path / "secret", wells=(), fields=0)
    (found,) = gather([str(tmp_path / "p.zarr")], tmp_path / "out")
    assert "'../secret', which lies outside of it" in found.problem
    assert [p.resolve() for p in opened if "secret" in p.parts] == []


def test_a_pattern_below_the_folder_of_the_outputs(tmp_path):
    touch(tmp_path, "images/a.tif", "images/day 1/b.tif")
    assert names(gather([str(tmp_path / "images" / "**" / "*.tif")], tmp_path)) == ["a", "day 1/b"]
    (found,) = gather([str(tmp_path / "images" / "*.tif")], tmp_path / "images")
    assert "lies in the folder of the outputs" in found.problem


def test_a_pattern_for_any_depth_gives_no_parts_of_a_zarr(tmp_path):
    position(tmp_path / "in" / "a.zarr")
    series(tmp_path / "in" / "day 1" / "two.zarr", 2)
    touch(tmp_path, "in/b.tif")
    found = gather([str(tmp_path / "in" / "**")], tmp_path / "out")
    assert [(f.name, f.problem) for f in found] == [("a", ""), ("b", ""), ("day 1/two/0", ""), ("day 1/two/1", "")]
    assert names(gather([str(tmp_path / "in" / "day 1" / "two.zarr" / "[1-9]")], tmp_path / "out")) == ["1"]


def test_the_same_image_is_the_same_however_it_is_typed(tmp_path, monkeypatch):
    touch(tmp_path, "in/a.tif")
    monkeypatch.chdir(tmp_path / "in")
    for typed in ("a.tif", "./a.tif", "../in/a.tif", "*.tif", str(tmp_path / "in" / "a.tif")):
        assert [f.path for f in gather([typed], tmp_path / "out")] == [tmp_path / "in" / "a.tif"]


def result(path, output="cells", creator=None):
    """A result of this program, with its record or what else tells of its making."""
    settings = Predicting(output=output)
    source = ImageFacts(name="a", shape=(8, 8), dtype="uint8", axes="YX", spacing=(1, 1, 1), fingerprint="f")
    creator = as_creator(new_record(settings, source)) if creator is None else creator
    dtype = np.float32 if output == "probabilities" else np.int32
    with create_output(path, (8, 8), dtype, "YX", cells=output != "probabilities", creator=creator) as array:
        array[:] = 1


def images_and_results(folder):
    """An image, results of every format, label images of others, and a layer that was copied for a batch."""
    (folder / "below").mkdir()
    tifffile.imwrite(folder / "a.tif", np.zeros((8, 8), np.uint8))
    for name in ("b.tif", "b.ome.tif", "b.ome.zarr", "below/b.tif"):
        result(folder / name)
    result(folder / "p.ome.tif", "probabilities")
    result(folder / "p.zarr", "probabilities")
    result(folder / "labels.ome.zarr", creator={})
    position(folder / "old.zarr")
    group = zarr.open_group(folder / "old.zarr", mode="r+")
    group.attrs["ome"] = {**group.attrs["ome"], "image-label": {"version": "0.5"}}
    with create_output(folder / "copy.ome.zarr", (8, 8), np.uint8, "YX") as array:
        array[:] = 1


RESULTS = {"b.tif", "b.ome.tif", "b.ome.zarr", "p.ome.tif", "p.zarr", "labels.ome.zarr", "old.zarr"}


@pytest.mark.parametrize("pattern", ["", "*"])
def test_results_among_images_are_marked(tmp_path, pattern):
    images_and_results(tmp_path)
    found = gather([str(tmp_path / pattern)], tmp_path / "out", recursive=not pattern)
    assert sorted(f.path.name for f in found if not f.result and not f.problem) == ["a.tif", "copy.ome.zarr"]
    expected = RESULTS if pattern else {*RESULTS, "below/b.tif"}
    assert {f.path.relative_to(tmp_path).as_posix() for f in found if f.result} == expected
    assert not any(f.problem for f in found)


def test_a_folder_of_results_only_says_so(tmp_path):
    images_and_results(tmp_path)
    for place in (tmp_path / "below", tmp_path / "b*.tif"):
        left, told = gather([str(place)], tmp_path / "out")[-2:]
        assert (bool(left.result), told.problem) == (True, ONLY_RESULTS)


def test_labels_that_are_named_are_refused_and_probabilities_are_not(tmp_path):
    images_and_results(tmp_path)
    found = gather([str(tmp_path / name) for name in sorted(RESULTS)], tmp_path / "out")
    assert {f.path.name for f in found if f.problem == NO_IMAGE} == RESULTS - {"p.ome.tif", "p.zarr"}
    assert not any(f.result for f in found)
