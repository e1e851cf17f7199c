"""Arrays, files and folders; and everything else is refused in one line."""

import numpy as np
import pytest
import tifffile

import napari_unet as nu
from napari_unet.jobs import as_image, as_pairs
from synthetic import classes, tissue

IMAGE, CELLS = tissue((64, 72), 16)
QUICK = {"steps": 2, "base": 2, "depth": 1, "patch": 32}


@pytest.fixture
def files(tmp_path):
    """The same image and labels as files and in folders."""
    for folder, values in (("images", IMAGE), ("labels", classes(CELLS))):
        (tmp_path / folder).mkdir()
        for name in ("b", "a"):
            tifffile.imwrite(tmp_path / folder / f"{name}.tif", values if name == "b" else values[:48])
    return tmp_path


def test_files_are_read_as_the_command_line_reads_them(files):
    image, labels = files / "images" / "b.tif", files / "labels" / "b.tif"
    of_arrays = nu.train(IMAGE, classes(CELLS), **QUICK)
    for given in ((str(image), str(labels)), (image, classes(CELLS)), ([image], [labels]), (IMAGE, labels)):
        model = nu.train(*given, **QUICK)
        np.testing.assert_array_equal(model.predict(str(image)), of_arrays.predict(IMAGE))
        np.testing.assert_array_equal(model.cells(image), of_arrays.cells(IMAGE))


def test_folders_are_paired_by_name(files):
    pairs = as_pairs(files / "images", files / "labels")
    assert [(i.name, i.shape[-2:], a.shape[-2:]) for i, a in pairs] == [
        ("a.tif", (48, 72), (48, 72)),
        ("b.tif", (64, 72), (64, 72)),
    ]


@pytest.mark.parametrize(
    ("image", "labels", "words"),
    [
        ("missing.tif", CELLS, "missing.tif: no such file"),
        (IMAGE, "missing.tif", "missing.tif: no such file"),
        (None, CELLS, "the image is None; give a numpy, dask or zarr array, or the name of a file"),
        (IMAGE, None, "the labels are None; give"),
        (IMAGE.tolist(), [CELLS] * 64, "the image is a list; give"),
        (IMAGE, 3, "the labels are a int; give"),
        ([IMAGE, IMAGE], CELLS, "2 images but 1 label images"),
        (np.float64(3), CELLS, "an image needs 2 to 5 axes"),
    ],
)
def test_what_is_no_image_is_refused_in_words(image, labels, words):
    with pytest.raises(nu.UserError, match=words):
        nu.train(image, labels, steps=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"style": "cell"}, r"target\.style: Input should be 'classes' or 'cells' \(got 'cell'\)"),
        ({"seconds": 0}, r"train\.seconds: Input should be greater than 0 \(got 0\)"),
        ({"step": 3}, r"train\(\) has no setting 'step'; did you mean 'steps'\?"),
        ({"backgroundvalue": 3}, "did you mean 'background_value'"),
        ({"lr": 3}, "train.. has no setting 'lr'; there are: image, .*learning_rate"),
        ({"patch": 7}, r"cannot take a patch of \(7, 7\); one that fits is \(8, 8\)"),
        ({"patch": "7"}, r"train\.patch: Input should be a valid tuple \(got '7'\)"),
        ({"start": "m.safetensors"}, r"there is no model file m\.safetensors"),
    ],
)
def test_wrong_settings_are_one_line(options, words):
    with pytest.raises(nu.UserError, match=words) as caught:
        nu.train(IMAGE, classes(CELLS), **options)
    assert "\n" not in str(caught.value)
    assert "http" not in str(caught.value)


def test_a_model_takes_no_image_that_is_none_and_says_what_it_is(tmp_path):
    model = nu.train(IMAGE, classes(CELLS), **QUICK)
    assert repr(model) == "<Model unet: cell, boundary; 2 steps>"
    for method in (model.predict, model.boundaries, model.cells):
        with pytest.raises(nu.UserError, match="the image is None"):
            method(None)
    for name, words in (("m.pt", r"ends in \.safetensors, got 'm\.pt'"), ("no/m.safetensors", "does not exist")):
        with pytest.raises(nu.UserError, match=words):
            model.save(tmp_path / name)
    assert not list(tmp_path.iterdir())
    model.save(str(tmp_path / "m.safetensors"))
    assert repr(nu.load(tmp_path / "m.safetensors")) == repr(model)


def test_an_image_with_axes_stays_as_it_is():
    image = as_image(IMAGE, "YX")
    assert as_image(image) is image
