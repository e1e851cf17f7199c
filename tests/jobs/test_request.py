"""From names and settings to a training's spec."""

import pytest

from napari_unet.errors import UserError
from napari_unet.jobs import find_recipe, make_spec
from napari_unet.nets import NETS
from napari_unet.spec import RECIPES, TrainingSpec, UNetKerasSpec, UNetSpec, default_loss


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_json_and_the_disk(name, tmp_path):
    path = tmp_path / "my recipe.json"
    path.write_text(find_recipe(name).model_dump_json(indent=2))
    assert find_recipe(path) == RECIPES[name].spec
    assert make_spec(path) == RECIPES[name].spec


def test_recipes_say_what_their_sources_say():
    paper = RECIPES["unet2015"].spec
    assert (paper.train.optimizer, paper.train.momentum, paper.train.batch) == ("sgd", 0.99, 1)
    assert (paper.target.weight_map, paper.target.border_weight, paper.target.border_sigma) == (True, 10, 5)
    assert paper.train.class_balance
    augment = paper.train.augment
    assert (augment.elastic, augment.elastic_grid, augment.probability) == (10, 3, 1)
    keras = RECIPES["isbi2012-keras"].spec
    assert (keras.train.patch, keras.train.batch, keras.train.learning_rate) == ((512, 512), 2, 1e-4)
    assert (keras.train.steps, keras.train.checks, default_loss(keras.net)) == (300, 3, "binary-cross-entropy")
    frozen = RECIPES["vgg16-frozen"].spec.train
    assert (frozen.encoder_weights, frozen.freeze_encoder) == ("imagenet", True)
    dice = RECIPES["dice"].spec
    assert (dice.train.loss, dice.train.optimizer, dice.train.learning_rate) == ("dice", "adam", 1e-5)
    assert RECIPES["vnet"].spec.train.dice_squared


def test_what_is_given_changes_the_recipe_and_nothing_else():
    spec = make_spec("unet2015", shape={"base": 8, "depth": None}, train={"steps": 5, "batch": None})
    recipe = RECIPES["unet2015"].spec
    assert spec.net == recipe.net.model_copy(update={"base": 8})
    assert spec.train == recipe.train.model_copy(update={"steps": 5, "seconds": None})
    assert (spec.target, spec.normalisation) == (recipe.target, recipe.normalisation)


def test_a_network_takes_the_place_of_the_recipe_s():
    spec = make_spec("isbi2012-keras", "unet", normalisation="meanstd")
    assert spec.net == UNetSpec()
    assert spec.train.learning_rate == 1e-4
    assert spec.normalisation.method == "meanstd"


def test_settings_that_only_some_networks_have():
    assert make_spec(net="unet2015", shape={"batchnorm": True, "dropout": 0.2}).net.batchnorm
    words = "'unet' has no setting 'batchnorm'; it has: base, depth, up, skips, activation$"
    with pytest.raises(UserError, match=words):
        make_spec(net="unet", shape={"batchnorm": True})


def test_binary_cross_entropy_brings_its_sigmoid():
    assert make_spec(train={"loss": "binary-cross-entropy"}).net.activation == "sigmoid"
    assert make_spec(net="unet-keras").net == UNetKerasSpec()
    assert make_spec("isbi2012-keras", train={"loss": "cross-entropy"}).net.activation == "softmax"


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("net", NETS)
def test_any_network_can_take_the_place_of_a_recipe_s(recipe, net):
    spec, before = make_spec(recipe, net), RECIPES[recipe].spec
    kept = spec.train == before.train
    assert kept == (net == before.net.kind or (before.train.patch is None and not spec_of_encoder(before.train)))
    assert (spec.train.optimizer, spec.train.augment) == (before.train.optimizer, before.train.augment)
    assert net == before.net.kind or (spec.train.patch is None and not spec_of_encoder(spec.train))


def spec_of_encoder(train):
    return train.encoder_weights == "imagenet" or train.freeze_encoder


def test_a_loss_that_needs_another_activation_goes_with_its_network(tmp_path):
    path = tmp_path / "r.json"
    path.write_text(make_spec(train={"loss": "binary-cross-entropy"}).model_dump_json())
    assert make_spec(path, "unet2015").train.loss is None
    assert make_spec(path, "unet-keras").train.loss == "binary-cross-entropy"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"recipe": "unet2016"}, "there is no recipe 'unet2016'; there are: default, "),
        ({"recipe": "nowhere.json"}, "cannot read the recipe nowhere.json"),
        ({"net": "resnet"}, "there is no network 'resnet'; there are: unet, "),
        ({"net": "vnet", "shape": {"up": "resize"}}, "the network 'vnet' has no setting 'up'"),
        ({"train": {"seconds": 3, "steps": 4}}, "give seconds .3. or steps .4., not both"),
    ],
)
def test_unknown_names_are_refused(given, words):
    with pytest.raises(UserError, match=words):
        make_spec(**given)


def test_a_file_of_another_kind_is_no_recipe(tmp_path):
    (tmp_path / "d.txt").write_text("{}")
    with pytest.raises(UserError, match=r"d\.txt' is no recipe: a file of one ends in \.json"):
        find_recipe(tmp_path / "d.txt")


def test_a_broken_recipe_file_says_where(tmp_path):
    path = tmp_path / "r.json"
    path.write_text('{"train": {"steps": -1}}')
    with pytest.raises(UserError, match=r"train\.steps"):
        find_recipe(path)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"train": {"loss": "binary-cross-entropy"}, "shape": {"activation": "softmax"}}, "needs the activation"),
        (
            {"net": "unet-keras", "train": {"loss": "cross-entropy"}, "shape": {"activation": "sigmoid"}},
            "needs the activation 'softmax'",
        ),
        ({"train": {"freeze_encoder": True}}, "'freeze_encoder' belongs to vgg16-unet and pretrained-unet"),
        ({"train": {"learning_rate": -1}}, r"^train\.learning_rate: Input should be greater than 0 \(got -1\)$"),
        ({"target": {"dense": True}}, "^'dense' and 'background_value' belong to the annotation style 'cells'$"),
        ({"target": {"style": "cell"}}, r"^target\.style: Input should be 'classes' or 'cells' \(got 'cell'\)$"),
        ({"shape": {"depth": 0}}, r"depth: .* \(got 0\)$"),
        ({"normalisation": "minmax"}, r"^normalisation\.method: .*\(got 'minmax'\)$"),
    ],
)
def test_what_does_not_go_together_is_refused(given, words):
    with pytest.raises(UserError, match=words):
        make_spec(**given)


def test_models_from_before_the_recipes_load():
    """Fields that were added since have defaults that mean what was done then."""
    old = {"net": {"kind": "unet", "base": 16, "depth": 3}, "train": {"seconds": 60, "learning_rate": 0.003}}
    assert TrainingSpec.model_validate(old) == TrainingSpec()


@pytest.mark.parametrize(("net", "patch"), [("unet", (64, 64)), ("unet3d", (64, 64, 64))])
def test_one_number_is_a_patch_as_long_along_every_axis(net, patch):
    assert make_spec(net=net, train={"patch": 64}).train.patch == patch
