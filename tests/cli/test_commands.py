"""The command line: the whole loop on a bundled sample, the contract's exit codes and its one line of error."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tifffile
import zarr

from cli_tools import run
from napari_unet.nets import NETS
from napari_unet.spec import RECIPES
from napari_unet.storage.read import open_image, read_whole
from napari_unet.storage.samples import load_sample

SHORT = [
    "--style",
    "cells",
    "--dense",
    "--steps",
    "12",
    "--base",
    "4",
    "--depth",
    "2",
    "--patch",
    "64",
    "--device",
    "cpu",
    "--threads",
    "1",
]


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    """Image and label files and a model trained on them for a moment."""
    folder = tmp_path_factory.mktemp("loop ünd space")
    data = load_sample("nuclei-2")
    tifffile.imwrite(folder / "image.tif", data.image)
    tifffile.imwrite(folder / "labels.tif", data.labels)
    result = run("train", folder / "image.tif", folder / "labels.tif", "-o", folder / "model.safetensors", *SHORT)
    assert result.exit_code == 0, result.output
    return folder, result


def test_train_says_what_it_understood(loop):
    _, result = loop
    assert "image.tif: 256 x 256 uint8, axes YX" in result.stdout
    assert "learning cell, boundary, background from " in result.stdout
    assert "model.safetensors" in result.stdout


@pytest.mark.parametrize("name", ["out.tif", "out.ome.tif", "out.zarr", "out.ome.zarr"])
def test_predict_writes_every_format(loop, tmp_path, name):
    folder, _ = loop
    result = run("predict", folder / "model.safetensors", folder / "image.tif", "-o", tmp_path / name)
    assert result.exit_code == 0, result.output
    image = open_image(tmp_path / name)
    assert (image.axes, image.data.dtype) == ("CYX", np.float32)
    np.testing.assert_allclose(read_whole(image).sum(axis=0), 1, atol=1e-5)


def test_predict_a_part(loop, tmp_path):
    folder, _ = loop
    model, image = folder / "model.safetensors", folder / "image.tif"
    for name, part in (("whole.tif", ()), ("part.tif", ("--y", "40:100", "--x", "7:90"))):
        result = run("predict", model, image, "-o", tmp_path / name, *part)
        assert result.exit_code == 0, result.output
    whole, part = (read_whole(open_image(tmp_path / name)) for name in ("whole.tif", "part.tif"))
    np.testing.assert_allclose(part, whole[:, 40:100, 7:90], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--y", "40:1000"), "range 40:1000 along Y does not fit image.tif, which has 256 there"),
        (("--z", "a"), "--z 'a' must be a number, or two such as 0:5"),
        (("--shard", "3/2"), "--shard '3/2' must be I/N"),
        (("--halo", "-4"), "--halo '-4' must be exact, auto or a number"),
    ],
)
def test_a_part_that_makes_no_sense_is_named(loop, tmp_path, options, message):
    folder, _ = loop
    result = run("predict", folder / "model.safetensors", folder / "image.tif", "-o", tmp_path / "a.tif", *options)
    assert result.exit_code == 1
    assert message in result.output
    assert not list(tmp_path.iterdir())


def test_shards_finish_the_file_together(loop, tmp_path):
    folder, _ = loop
    common = (
        "predict",
        folder / "model.safetensors",
        folder / "image.tif",
        "-o",
        tmp_path / "a.zarr",
        "--tile",
        160,
    )
    first = run(*common, "--shard", "1/2")
    assert (first.exit_code, (tmp_path / "a.zarr").exists()) == (0, False)
    assert "blocks are still missing" in first.stdout
    assert "saved" not in first.stdout
    second = run(*common, "--shard", "2/2")
    assert "saved" in second.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.parametrize(("output", "dtype"), [("classes", "u1"), ("boundaries", "u1"), ("cells", "i4")])
def test_predict_writes_every_output(loop, tmp_path, output, dtype):
    folder, _ = loop
    out = tmp_path / "out.tif"
    result = run("predict", folder / "model.safetensors", folder / "image.tif", "-o", out, "--output", output)
    assert result.exit_code == 0, result.output
    values = read_whole(open_image(out))
    assert (values.shape, values.dtype) == ((256, 256), np.dtype(dtype))
    if output != "cells":
        assert values.max() <= {"classes": 3, "boundaries": 1}[output]


def test_narrow_gaps_can_be_told_to_be_background(tmp_path):
    labels = np.arange(1, 26, dtype=np.uint16).reshape(5, 5).repeat(20, 0).repeat(20, 1)
    labels[np.arange(100) % 20 < 6] = labels[:, np.arange(100) % 20 < 6] = 0
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    tifffile.imwrite(tmp_path / "image.tif", (labels > 0).astype(np.uint8) * 100)
    for told, classes in (("auto", 2), ("background", 3)):
        out = tmp_path / "m.safetensors"
        short = [*SHORT, "--unpainted", told]
        result = run("train", tmp_path / "image.tif", tmp_path / "labels.tif", "-o", out, *short)
        assert result.exit_code == 0, result.output
        assert len(json.loads(run("info", out).stdout)["classes"]) == classes


def test_predict_folder_keeps_the_names_and_tiles_change_nothing(loop, tmp_path):
    folder, _ = loop
    images = tmp_path / "images"
    images.mkdir()
    image = tifffile.imread(folder / "image.tif")
    tifffile.imwrite(images / "a b.tif", image[:111, :93])
    zarr.create_array(images / "stack.zarr", data=np.stack([image[:80, :70]] * 2), dimension_names=["z", "y", "x"])
    for name, options in (("whole", []), ("tiled", ["--tile", "96"])):
        result = run("predict", folder / "model.safetensors", images, "-o", tmp_path / name, *options)
        assert result.exit_code == 0, result.output
    for name, shape in (("a b.tif", (3, 111, 93)), ("stack.zarr", (3, 2, 80, 70))):
        whole, tiled = (read_whole(open_image(tmp_path / kind / name)) for kind in ("whole", "tiled"))
        assert whole.shape == shape
        np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_images_of_a_folder_that_fail_are_told_at_once_and_counted(loop, tmp_path):
    folder, _ = loop
    images = tmp_path / "images"
    images.mkdir()
    for name in ("a", "b", "d"):
        tifffile.imwrite(images / f"{name}.tif", load_sample("nuclei-2").image[:64, :64])
    (images / "b.tif").write_bytes((images / "a.tif").read_bytes()[:100])
    tifffile.imwrite(images / "c.tif", np.zeros((40, 40, 3), np.uint8), photometric="rgb")
    result = run("predict", folder / "model.safetensors", images, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.tif", "d.tif"]
    told = [line for line in result.stderr.splitlines() if line.startswith("napari-unet: ")]
    assert told[0].startswith("napari-unet: b.tif: not a readable TIFF")
    assert told[1].startswith("napari-unet: c.tif: ")
    assert told[2:] == [f"napari-unet: 2 of 4 failed, the others are saved in {tmp_path / 'out'}"]
    assert result.output.index("b.tif: not a readable") < result.output.index("d.tif: 64 x 64")
    for name in ("a", "d"):
        (images / f"{name}.tif").unlink()
    result = run("predict", folder / "model.safetensors", images, "-o", tmp_path / "none")
    assert "2 of 2 failed" in result.stderr


def test_resume_goes_on(loop, tmp_path):
    folder, _ = loop
    arguments = ["train", folder / "image.tif", folder / "labels.tif", "-o", tmp_path / "m.safetensors", *SHORT]
    assert run(*arguments).exit_code == 0
    arguments[arguments.index("12")] = "20"
    result = run(*arguments, "--resume")
    assert result.exit_code == 0, result.output
    assert json.loads(run("info", tmp_path / "m.safetensors").stdout)["steps"] == 20


def test_info_is_json(loop):
    folder, _ = loop
    facts = json.loads(run("info", folder / "model.safetensors").stdout)
    assert facts["classes"] == ["cell", "boundary", "background"]
    assert facts["network"]["depth"] == 2


def test_nets_lists_every_network_in_a_line():
    lines = run("nets").stdout.splitlines()
    assert [line.split()[0] for line in lines][:2] == ["unet", "unet3d"]
    assert all("parameters" in line and "pixels" in line for line in lines)


def test_doctor_tells_programs_an_object_a_line():
    result = run("doctor", "--json")
    assert result.exit_code == 0
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(set(finding) == {"what", "found", "cure", "broken"} for finding in found)
    assert {"versions", "memory", "GPU", "self-test on cpu"} <= {finding["what"] for finding in found}


def test_doctor_finds_the_cpu_right():
    result = run("doctor")
    assert result.exit_code == 0
    assert "self-test on cpu: 2D and 3D convolutions are right" in result.stdout


def score(*arguments):
    result = run("score", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_score_of_cells_and_of_folders(tmp_path):
    labels = load_sample("nuclei-2").labels
    half = np.where(labels % 2, labels, 0)
    for folder, second in (("truth", labels), ("found", half)):
        (tmp_path / folder).mkdir()
        tifffile.imwrite(tmp_path / folder / "a.tif", labels)
        tifffile.imwrite(tmp_path / folder / "b.tif", second)
    one = score(tmp_path / "found" / "b.tif", tmp_path / "truth" / "b.tif")
    assert (one["truth"], one["cells"], one["true_cells"]) == ("cells", 21, 41)
    assert one["ap50"] == pytest.approx(21 / 41)
    both = score(tmp_path / "found", tmp_path / "truth")
    assert both["images"]["a.tif"]["ap50"] == 1
    assert both["mean"]["ap50"] == pytest.approx((1 + 21 / 41) / 2)
    assert both["ap50"] == pytest.approx((41 + 21) / 82)  # matches counted over all images


def test_ids_that_start_anew_in_every_slice_are_scored_slice_by_slice(tmp_path):
    plane = load_sample("nuclei-2").labels
    through = np.stack([plane] * 5)
    anew = np.stack([np.where(plane, (plane + 7 * z) % 41 + 1, 0) for z in range(5)])
    for name, stack in (("through", through), ("anew", anew)):
        tifffile.imwrite(tmp_path / f"{name}.tif", stack.astype(np.uint16))
    for prediction, truth in (("anew", "through"), ("through", "anew"), ("anew", "anew")):
        result = run("score", tmp_path / f"{prediction}.tif", tmp_path / f"{truth}.tif")
        assert "anew.tif numbers its cells by slice: scored slice by slice" in result.stderr
        assert len(result.stderr.splitlines()) == 1
        found = json.loads(result.stdout)
        assert (found["per_slice"], found["ap"], found["cells"]) == (True, 1, 5 * 41)
    result = run("score", tmp_path / "anew.tif", tmp_path / "through.tif", "--per-stack")
    assert (json.loads(result.stdout)["ap50"], result.stderr) == (0, "")
    result = run("score", tmp_path / "through.tif", tmp_path / "through.tif")
    assert (json.loads(result.stdout)["per_slice"], result.stderr) == (False, "")
    by_slice = score(tmp_path / "through.tif", tmp_path / "through.tif", "--per-slice")
    assert (by_slice["cells"], by_slice["v_of"]) == (5 * 41, "mean over slices, gaps filled in each")


def test_mistakes_through_the_slices_are_seen_in_the_v_scores_of_volumes(tmp_path):
    cells = load_sample("nuclei-3d").labels[8:14].astype(np.uint16)
    anew = np.where(cells > 0, cells + 300 * np.arange(6, dtype=np.uint16)[:, None, None], 0)
    tifffile.imwrite(tmp_path / "cells.tif", cells, photometric="minisblack")
    tifffile.imwrite(tmp_path / "anew.tif", anew.astype(np.uint16), photometric="minisblack")
    volume = score(tmp_path / "cells.tif", tmp_path / "anew.tif", "--per-stack")
    assert volume["v_of"] == "volumes, gaps filled in 3D"
    # no gap lies in a true cell: nothing is filled, and the shares are those of the ids
    pairs, own = (np.unique(x[cells > 0], return_counts=True)[1] / (cells > 0).sum() for x in (anew, cells))
    assert volume["v_rand"] == pytest.approx((pairs**2).sum() / ((pairs**2).sum() / 2 + (own**2).sum() / 2))
    assert volume["v_rand"] < 0.5
    assert score(tmp_path / "cells.tif", tmp_path / "anew.tif", "--per-slice")["v_rand"] == 1


def membrane(tmp_path):
    truth = np.full((2, 40, 60), 255, np.uint8)
    truth[:, 20], truth[:, :, 30] = 0, 0
    tifffile.imwrite(tmp_path / "truth.tif", truth)
    return truth


@pytest.mark.parametrize("kind", ["mask", "one channel", "two channels", "boundaries", "cells"])
def test_score_of_membranes_takes_every_kind_of_prediction(tmp_path, kind):
    truth = membrane(tmp_path)
    inside = (truth > 0).astype(np.float32)
    predictions = {
        "mask": truth,
        "one channel": inside,
        "two channels": np.stack([inside, 1 - inside]),
        "boundaries": (truth == 0).astype(np.uint8),
        "cells": np.kron([[3, 2], [1, 4]], np.ones((20, 30))).astype(np.int32) * np.ones((2, 1, 1), np.int32),
    }
    tifffile.imwrite(tmp_path / "p.tif", predictions[kind], photometric="minisblack")
    options = ["--boundaries"] if kind == "boundaries" else []
    found = score(tmp_path / "p.tif", tmp_path / "truth.tif", *options)
    assert found["truth"] == "membrane"
    assert found["v_rand"] > (0.98 if kind == "cells" else 0.999)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_boundaries_scored_as_insides_are_noticed(tmp_path, kind):
    truth = membrane(tmp_path)
    tifffile.imwrite(tmp_path / "p.tif", (truth == 0).astype(kind), photometric="minisblack")
    result = run("score", tmp_path / "p.tif", tmp_path / "truth.tif", "--truth", "membrane")
    assert json.loads(result.stdout)["v_rand"] < 0.5
    assert len(result.stderr.splitlines()) == 1
    assert "p.tif looks like boundaries and was scored as insides: use --boundaries" in result.stderr
    right = run("score", tmp_path / "p.tif", tmp_path / "truth.tif", "--truth", "membrane", "--boundaries")
    assert (json.loads(right.stdout)["v_rand"] > 0.999, right.stderr) == (True, "")
    nearly_all = np.where(np.arange(60) < 58, 1, 0) * np.ones((2, 40, 1))
    tifffile.imwrite(tmp_path / "bad.tif", nearly_all.astype(kind), photometric="minisblack")
    assert run("score", tmp_path / "bad.tif", tmp_path / "truth.tif", "--truth", "membrane").stderr == ""


def test_probabilities_of_a_movie_are_stored_time_first_and_scored_all_the_same(loop, tmp_path):
    folder, _ = loop
    movie = np.stack([tifffile.imread(folder / "image.tif")[:80, :72]] * 5)
    movie[1] = movie[1, ::-1]
    tifffile.imwrite(tmp_path / "movie.tif", movie)
    tifffile.imwrite(tmp_path / "truth.tif", np.where(movie > movie.mean(), 255, 0).astype(np.uint8))
    found = {}
    for name in ("p.zarr", "p.tif"):
        result = run("predict", folder / "model.safetensors", tmp_path / "movie.tif", "-o", tmp_path / name,
                     "--axes", "TYX")  # fmt: skip
        assert result.exit_code == 0, result.output
        found[name] = score(tmp_path / name, tmp_path / "truth.tif")
    stored, plain = (open_image(tmp_path / name) for name in found)
    assert (stored.axes, plain.axes) == ("TCYX", "CTYX")
    np.testing.assert_array_equal(np.moveaxis(read_whole(stored), 1, 0), read_whole(plain))
    assert found["p.zarr"] == found["p.tif"]


def test_score_of_probabilities_as_cells_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "p.tif", np.zeros((2, 30, 30), np.float32), photometric="minisblack")
    tifffile.imwrite(tmp_path / "t.tif", np.arange(900, dtype=np.uint16).reshape(30, 30))
    result = run("score", tmp_path / "p.tif", tmp_path / "t.tif")
    assert result.exit_code == 1
    assert "predict with --output cells" in result.stderr


MISTAKES = {
    "missing image": ("train missing.tif labels.tif -o m.safetensors", "missing.tif: no such file"),
    "missing labels": ("train image.tif missing.tif -o m.safetensors", "missing.tif: no such file"),
    "shapes differ": ("train image.tif small.tif -o m.safetensors", "256"),
    "nothing painted": ("train image.tif zeros.tif -o m.safetensors", "paint"),
    "float labels": ("train image.tif float.tif -o m.safetensors", "whole numbers"),
    "axes": ("train image.tif labels.tif -o m.safetensors --axes CZYX", "axes 'CZYX' name 4 axes"),
    "both budgets": ("train image.tif labels.tif -o m.safetensors --seconds 5 --steps 5", "not both"),
    "negative time": ("train image.tif labels.tif -o m.safetensors --seconds -5", "seconds"),
    "dense classes": ("train image.tif labels.tif -o m.safetensors --dense", "belong to the annotation style"),
    "unpainted": ("train image.tif labels.tif -o m.safetensors --unpainted boundary", "say --dense as well"),
    "network": ("train image.tif labels.tif -o m.safetensors --net unet5", "there is no network 'unet5'"),
    "model suffix": ("train image.tif labels.tif -o m.pt --style cells", ".safetensors"),
    "model folder": ("train image.tif labels.tif -o no/m.safetensors --style cells", "does not exist"),
    "no resume": (
        "train image.tif labels.tif -o m.safetensors --style cells --dense --resume",
        "nothing to go on",
    ),
    "roles": ("train image.tif labels.tif -o m.safetensors --classes a=b", "the role of 'a' is 'b'"),
    "missing model": ("predict missing.safetensors image.tif -o o.tif", "missing.safetensors"),
    "damaged model": ("predict damaged.safetensors image.tif -o o.tif", "damaged.safetensors"),
    "predict missing": ("predict model.safetensors missing.tif -o o.tif", "missing.tif: no such file"),
    "output suffix": ("predict model.safetensors image.tif -o o.png", "end the name in .tif"),
    "onto itself": ("predict model.safetensors image.tif -o image.tif", "is or holds the image"),
    "halo": ("predict model.safetensors image.tif -o o.tif --halo wide", "--halo 'wide' must be"),
    "channels": ("predict model.safetensors image.tif -o o.tif --axes CX", "lack Y"),
    "colours": ("predict model.safetensors colour.png -o o.tif", "needs 1"),
    "score shapes": ("score labels.tif small.tif", "must be the same"),
    "score missing": ("score labels.tif missing.tif", "missing.tif: no such file"),
    "info of no model": ("info image.tif", "image.tif does not tell how it was made"),
}


@pytest.fixture
def folder(loop, monkeypatch):
    path, _ = loop
    tifffile.imwrite(path / "small.tif", np.ones((64, 64), np.uint8))
    tifffile.imwrite(path / "zeros.tif", np.zeros((256, 256), np.uint8))
    tifffile.imwrite(path / "float.tif", np.ones((256, 256), np.float32))
    from PIL import Image

    Image.new("RGB", (64, 64)).save(path / "colour.png")
    (path / "damaged.safetensors").write_bytes((path / "model.safetensors").read_bytes()[:-100])
    monkeypatch.chdir(path)
    return path


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_1(folder, name):
    command, words = MISTAKES[name]
    result = run(*command.split())
    assert result.exit_code == 1, result.output
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert words in result.stderr
    assert not list(folder.glob("o.*"))


@pytest.mark.parametrize("command", ["train image.tif", "predict", "score a.tif", "train a b -o c --net", "fly",
                                     "train a b -o c --style dots", "train a b -o c --batch none"])  # fmt: skip
def test_wrong_usage_is_exit_code_2(command):
    assert run(*command.split()).exit_code == 2


def test_a_real_process_ends_with_one_line_and_code_1(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "napari_unet", "train", "no.tif", "no.tif", "-o", "m.safetensors"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "napari-unet: no.tif: no such file or folder; check the name\n"


@pytest.mark.parametrize("command", [["--help"], ["train", "--help"], ["score", "a.tif", "b.tif"]])
def test_torch_is_not_loaded_where_it_is_not_needed(tmp_path, command):
    tifffile.imwrite(tmp_path / "a.tif", np.eye(20, dtype=np.uint16))
    tifffile.imwrite(tmp_path / "b.tif", np.eye(20, dtype=np.uint16))
    code = (
        "import sys\nfrom napari_unet.cli import main\n"
        f"try:\n    main({command!r})\nexcept SystemExit as end:\n    assert end.code in (0, None), end.code\n"
        "loaded = {'torch', 'napari'} & set(sys.modules)\nassert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)


def test_sigterm_saves_and_resume_works(loop, tmp_path):
    folder, _ = loop
    model = tmp_path / "m.safetensors"
    arguments = [
        sys.executable,
        "-u",
        "-m",
        "napari_unet",
        "train",
        "image.tif",
        "labels.tif",
        "-o",
        model,
        *SHORT,
    ]
    arguments[arguments.index("12")] = "100000"
    process = subprocess.Popen(arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while "training: " not in process.stderr.readline():
        assert process.poll() is None
    process.terminate()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + 15, err
    assert "go on with --resume" in out
    assert model.is_file()
    assert json.loads(run("info", model).stdout)["steps"] > 0
    assert not [n for n in os.listdir(tmp_path) if "partial" in n]


def test_demo_leaves_pictures_scores_and_models(tmp_path):
    result = run("demo", "--steps", "6", "--threads", "1", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert set(scores) == {"nuclei-2", "nuclei-6", "epithelium"}
    assert {p.name for p in (tmp_path / "out").glob("*.png")} == {f"{n}.png" for n in scores}
    assert {p.name for p in (tmp_path / "out").glob("*.safetensors")} >= {
        "nuclei.safetensors",
        "epithelium.safetensors",
    }
    assert "AP50" in result.stdout
    assert "demo: 8%, step 1, " in result.stderr  # of 12 steps in all
    for name in ("nuclei", "epithelium"):  # steps, not time: a slow machine must not get a worse model
        facts = json.loads(run("info", tmp_path / "out" / f"{name}.safetensors").stdout)
        assert (facts["steps"], facts["training"]["train"]["seconds"]) == (6, None)


def test_nets_lists_every_network_with_its_facts():
    lines = run("nets").stdout.splitlines()
    found = {line.split()[0]: line for line in lines}
    assert set(found) == set(NETS)
    assert "31,030,658 parameters" in found["unet2015"]
    assert "sees 103 pixels, exact halo  48" in found["unet"]
    assert "exact halo  92" in found["unet2015"]


def test_a_recipe_is_printed_edited_and_replayed(loop, tmp_path):
    folder, _ = loop
    assert [line.split()[0] for line in run("recipes").stdout.splitlines()] == list(RECIPES)
    recipe = json.loads(run("recipes", "isbi2012-keras").stdout)
    recipe["net"]["base"], recipe["train"]["patch"], recipe["train"]["batch"] = 2, [64, 64], 1
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(recipe))
    model = tmp_path / "model.safetensors"
    files = (folder / "image.tif", folder / "labels.tif", "-o", model)
    result = run("train", *files, "--recipe", path, "--style", "cells", "--dense", "--steps", "3")
    assert result.exit_code == 0, result.output
    known = json.loads(run("info", model).stdout)
    assert known["network"]["kind"] == "unet-keras"
    assert known["training"]["train"]["steps"] == 3
    assert known["training"]["train"]["optimizer"] == "adam"
    assert known["training"]["normalisation"]["method"] == "percentile"


def test_the_published_network_with_batchnorm(loop, tmp_path):
    folder, _ = loop
    files = (folder / "image.tif", folder / "labels.tif", "-o", tmp_path / "m.safetensors")
    shape = ("--net", "unet2015", "--base", "2", "--depth", "2", "--batchnorm", "--dropout", "0.1")
    result = run("train", *files, *shape, "--style", "cells", "--dense", "--steps", "2", "--threads", "1")
    assert result.exit_code == 0, result.output
    known = json.loads(run("info", tmp_path / "m.safetensors").stdout)
    assert (known["network"]["batchnorm"], known["network"]["dropout"]) == (True, 0.1)
    assert known["halo"] == [20, 20]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--recipe", "unet2014"], "there is no recipe 'unet2014'"),
        (["--net", "vnet", "--up", "resize"], "the network 'vnet' has no setting 'up'"),
        (
            ["--net", "unet2015", "--patch", "571"],
            "cannot take a patch of (571, 571); one that fits is (572, 572)",
        ),
        (["--freeze-encoder"], "--freeze-encoder belongs to vgg16-unet and pretrained-unet, not to 'unet'"),
        (
            ["--loss", "cross-entropy", "--net", "unet-keras", "--activation", "sigmoid"],
            "needs the activation 'softmax'",
        ),
        (["--encoder-file", "a.pth", "--net", "vgg16-unet"], "--encoder-weights has to be imagenet"),
        (["--steps", "-3"], "--steps: Input should be greater than 0 (got -3)"),
        (["--dropout", "1", "--net", "unet2015"], "dropout: Input should be less than 1 (got 1.0)"),
    ],
)
def test_what_a_network_cannot_do_is_said_in_one_line(loop, tmp_path, options, words):
    folder, _ = loop
    files = (folder / "image.tif", folder / "labels.tif", "-o", tmp_path / "m.safetensors")
    result = run("train", *files, "--style", "cells", "--dense", *options)
    assert result.exit_code == 1
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "m.safetensors").exists()


def test_a_training_that_learnt_nothing_does_not_say_saved(loop, tmp_path):
    folder, _ = loop
    out = tmp_path / "m.safetensors"
    command = ["train", folder / "image.tif", folder / "labels.tif", "-o", out, *SHORT]
    result = run(*command, "--lr", "1e30", "--optimizer", "sgd")
    assert result.exit_code == 1
    assert "saved" not in result.output
    assert "try a lower learning rate" in result.stderr
    assert not out.exists()
    assert run(*command).exit_code == 0
    again = run(*command, "--resume")
    assert again.exit_code == 0
    assert f"nothing new was learnt: {out} is as it was" in again.stdout
