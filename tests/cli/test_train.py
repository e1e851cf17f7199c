"""``napari-unet train``: what it says, its recipes and networks; stopped and gone on with."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from cli_tools import SHORT, run
from napari_unet.spec import RECIPES


def test_train_says_what_it_understood(loop):
    _, result = loop
    assert "image.tif: 256 x 256 uint8, axes YX" in result.stdout
    assert "learning cell, boundary, background from " in result.stdout
    assert "model.safetensors" in result.stdout


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


def test_resume_goes_on(loop, tmp_path):
    folder, _ = loop
    arguments = ["train", folder / "image.tif", folder / "labels.tif", "-o", tmp_path / "m.safetensors", *SHORT]
    assert run(*arguments).exit_code == 0
    arguments[arguments.index("12")] = "20"
    result = run(*arguments, "--resume")
    assert result.exit_code == 0, result.output
    assert json.loads(run("info", tmp_path / "m.safetensors").stdout)["steps"] == 20


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
