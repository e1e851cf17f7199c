"""Recipes, files of settings, and what does not fit together, without a window."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_unet.errors import UserError
from napari_unet.jobs import find_recipe
from napari_unet.plugin.settings import read_settings, recipe_of, recipe_spec, without_encoder, write_settings
from napari_unet.spec import RECIPES, TargetSpec, TrainingSpec, TrainSpec, UNetSpec, VGG16UNetSpec

CELLS = TargetSpec(style="cells", dense=True, unpainted="background", background_value=7)


@pytest.mark.parametrize("name", list(RECIPES))
def test_a_recipe_keeps_what_is_painted_and_brings_all_else(name: str) -> None:
    spec, given = recipe_spec(name, CELLS), RECIPES[name].spec
    assert (spec.net, spec.train, spec.normalisation) == (given.net, given.train, given.normalisation)
    assert spec.target == CELLS.model_copy(update={"weight_map": given.target.weight_map})
    assert recipe_of(spec) == name


def test_settings_are_a_recipe_whatever_the_time_and_the_machine() -> None:
    spec = recipe_spec("vgg16-frozen", CELLS)
    own = {"seconds": 5.0, "checks": 6, "threads": 1, "device": "cpu", "encoder_file": Path("a.pth")}
    assert recipe_of(spec.model_copy(update={"train": spec.train.model_copy(update=own)})) == "vgg16-frozen"
    other = spec.train.model_copy(update={"learning_rate": 2e-4})
    assert recipe_of(spec.model_copy(update={"train": other})) is None


def test_a_network_without_an_encoder_forgets_how_it_starts() -> None:
    train = TrainSpec(seconds=9, encoder_weights="imagenet", freeze_encoder=True, encoder_file=Path("a.pth"))
    assert without_encoder(train, VGG16UNetSpec()) == train
    assert without_encoder(train, UNetSpec()) == TrainSpec(seconds=9)


def test_a_file_is_what_the_command_line_takes(tmp_path: Path) -> None:
    path = tmp_path / "ä b.json"
    for name in RECIPES:
        spec = recipe_spec(name, CELLS)
        write_settings(path, spec)
        assert read_settings(path) == spec
        assert find_recipe(path) == spec
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "holds no valid settings"),
        ('{"train": {"batch": 0}}', "train.batch: input should be greater than or equal to 1"),
        ('{"train": {"loss": "binary-cross-entropy"}}', "needs the activation 'sigmoid'"),
        ('{"net": {"kind": "wnet"}}', "net: "),
        (None, "No such file"),
    ],
)
def test_a_file_that_does_not_fit_is_told_in_one_sentence(tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "mine.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError) as error:
        read_settings(path)
    assert words in str(error.value)
    assert "mine.json" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot write .*No such file or directory"):
        write_settings(tmp_path / "none" / "a.json", TrainingSpec())
