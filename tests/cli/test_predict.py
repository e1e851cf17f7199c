"""``napari-unet predict``: every format and output, parts, shards and folders."""

import numpy as np
import pytest
import tifffile
import zarr

from cli_tools import good, run
from napari_unet.storage.read import open_image, read_whole
from napari_unet.storage.samples import load_sample


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
        (
            ("--y", "-257:"),
            "range -257: along Y does not fit image.tif, which has 256 there: give numbers from 0 to "
            "256, or -256 to -1 from the end",
        ),
        (
            ("--y", "256"),
            "256 along Y does not fit image.tif, which has 256 there: give a number from 0 to 255, or",
        ),
        (
            ("--y", "-257"),
            " -257 along Y does not fit image.tif, which has 256 there: give a number from 0 to 255",
        ),
        (("--y", "256:"), "the range 256: along Y does not fit image.tif, which has 256 there"),
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


def test_numbers_below_0_count_from_the_end(loop, tmp_path):
    folder, _ = loop
    for name, part in (("a.tif", "-10:"), ("b.tif", "246:256")):
        good("predict", folder / "model.safetensors", folder / "image.tif", "-o", tmp_path / name, f"--y={part}")
    a, b = (read_whole(open_image(tmp_path / name)) for name in ("a.tif", "b.tif"))
    np.testing.assert_array_equal(a, b)
    assert "-5: (the last five)" in " ".join(good("predict", "--help").replace("│", " ").split())


def test_a_halo_beyond_the_exact_one_is_told(loop, tmp_path):
    folder, _ = loop
    job = ["predict", folder / "model.safetensors", folder / "image.tif", "--tile", 160]
    good(*job, "-o", tmp_path / "exact.tif")
    told = good(*job, "-o", tmp_path / "halo.tif", "--halo", 100000)
    assert "a halo of 100000 pixels is more than the network sees: the exact one is computed" in told
    a, b = (read_whole(open_image(tmp_path / name)) for name in ("exact.tif", "halo.tif"))
    np.testing.assert_array_equal(a, b)


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


def test_results_in_a_folder_are_left_out_and_labels_that_are_named_are_refused(loop, tmp_path):
    folder, _ = loop
    images, model = tmp_path / "images", folder / "model.safetensors"
    images.mkdir()
    tifffile.imwrite(images / "a.tif", tifffile.imread(folder / "image.tif")[:64, :64])
    for output in ("cells", "probabilities"):
        good("predict", model, images / "a.tif", "-o", images / f"{output}.tif", "--output", output)
    told = good("predict", model, images, "-o", tmp_path / "out")
    assert "left out, as they are results and no images, 2 files: cells.tif, probabilities.tif" in told
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a.tif"]
    named = run("predict", model, images / "cells.tif", "-o", tmp_path / "b.tif")
    assert (named.exit_code, "cells.tif: holds labels, as it says itself" in named.stderr) == (1, True)
    (images / "a.tif").unlink()
    assert "holds no images, only results" in run("predict", model, images, "-o", tmp_path / "none").stderr
    assert not (tmp_path / "none").exists()


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
