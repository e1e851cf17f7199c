import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from napari_unet.arrays.colours import check_channels
from napari_unet.errors import UserError
from napari_unet.nets.imagenet import (
    MEAN,
    STD,
    imagenet_input,
    load_encoder,
    read_weights,
    vgg16_mapping,
)
from napari_unet.nets.vgg16_unet import VGG16UNet
from napari_unet.spec import VGG16UNetSpec

MAPPING = {
    "features.0.weight": "0.0.weight",
    "features.0.bias": "0.0.bias",
    "features.2.weight": "0.2.weight",
    "features.2.bias": "0.2.bias",
    "features.5.weight": "1.0.weight",
    "features.5.bias": "1.0.bias",
    "features.7.weight": "1.2.weight",
    "features.7.bias": "1.2.bias",
    "features.10.weight": "2.0.weight",
    "features.10.bias": "2.0.bias",
    "features.12.weight": "2.2.weight",
    "features.12.bias": "2.2.bias",
    "features.14.weight": "2.4.weight",
    "features.14.bias": "2.4.bias",
    "features.17.weight": "3.0.weight",
    "features.17.bias": "3.0.bias",
    "features.19.weight": "3.2.weight",
    "features.19.bias": "3.2.bias",
    "features.21.weight": "3.4.weight",
    "features.21.bias": "3.4.bias",
}


def published(base):
    """Transcribe ``torchvision.models.vgg16().features``, any width, whole: thirteen convolutions."""
    layers, channels = [], 3
    for width in (1, 1, "M", 2, 2, "M", 4, 4, 4, "M", 8, 8, 8, "M", 8, 8, 8, "M"):
        if width == "M":
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
        else:
            layers += [nn.Conv2d(channels, base * width, kernel_size=3, padding=1), nn.ReLU(inplace=True)]
            channels = base * width
    return nn.Sequential(*layers)


@pytest.fixture
def features():
    torch.manual_seed(1)
    return published(4)


@pytest.fixture
def tensors(features):
    """A state dict in torchvision's layout, with a bit of a classifier."""
    found = {f"features.{name}": value.clone() for name, value in features.state_dict().items()}
    return found | {"classifier.0.weight": torch.ones(2, 2)}


@pytest.fixture
def encoder():
    return VGG16UNet(VGG16UNetSpec(base=4)).encoder


def write(folder, tensors, suffix):
    path = folder / f"wei ghts ü{suffix}"
    if suffix == ".safetensors":
        save_file(tensors, path)
    else:  # vgg16-397923af.pth is of the older layout
        torch.save(tensors, path, _use_new_zipfile_serialization=suffix == ".pt")
    return path


def test_the_mapping_key_by_key(encoder):
    assert vgg16_mapping() == MAPPING
    assert list(MAPPING.values()) == list(encoder.state_dict())


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_every_tensor_arrives_where_the_mapping_says(tmp_path, tensors, encoder, suffix):
    load_encoder(encoder, write(tmp_path, tensors, suffix), vgg16_mapping())
    found = encoder.state_dict()
    for theirs, ours in MAPPING.items():
        assert torch.equal(found[ours], tensors[theirs]), theirs


def test_skips_and_bottom_see_the_features_of_vgg16_before_each_pooling(tmp_path, features, tensors):
    """Feature maps at indices 3, 8, 15, 22 of torchvision's layout, of the image as torchvision normalises it."""
    network = VGG16UNet(VGG16UNetSpec(base=4)).eval()
    load_encoder(network.encoder, write(tmp_path, tensors, ".pth"), vgg16_mapping())
    seen = []
    for level in network.encoder:
        level.register_forward_hook(lambda _module, _inputs, result: seen.append(result))
    grey = torch.rand(2, 1, 32, 48, generator=torch.Generator().manual_seed(0))  # 0 to 1, as from a picture
    x = (grey.repeat(1, 3, 1, 1) - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    with torch.no_grad():
        network(4 * grey - 2)
        for index, layer in enumerate(features):
            x = layer(x)
            if index in (3, 8, 15, 22):
                torch.testing.assert_close(seen.pop(0), x, rtol=1e-4, atol=1e-5)
    assert not seen


def test_colours_are_normalised_each_by_itself():
    x = torch.full((1, 3, 1, 1), -2.0)  # black
    x[:, 1] = 2.0
    expected = [(0 - MEAN[0]) / STD[0], (1 - MEAN[1]) / STD[1], (0 - MEAN[2]) / STD[2]]
    torch.testing.assert_close(imagenet_input(x).flatten(), torch.tensor(expected))


@pytest.mark.parametrize("channels", [2, 4])
def test_other_numbers_of_channels_are_refused_with_the_cure(channels):
    with pytest.raises(UserError, match=rf"'vgg16-unet' takes 1 channel .* not {channels}: choose one or three"):
        check_channels("vgg16-unet", channels)


def refused(tmp_path, tensors, encoder, match):
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    path = write(tmp_path, tensors, ".pth")
    with pytest.raises(UserError, match=match) as error:
        load_encoder(encoder, path, vgg16_mapping())
    assert str(path) in str(error.value)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_a_missing_tensor_is_named_and_nothing_is_loaded(tmp_path, tensors, encoder):
    del tensors["features.21.bias"]
    refused(tmp_path, tensors, encoder, r"'features\.21\.bias' is not there$")


def test_weights_of_another_network_are_refused(tmp_path, encoder):
    refused(tmp_path, {"conv1.weight": torch.ones(1)}, encoder, r"'features\.0\.weight' is not there, nor are 19")


def test_another_width_is_refused_with_both_shapes(tmp_path, tensors, encoder):
    tensors["features.21.weight"] = torch.ones(64, 32, 3, 3)
    shapes = r"'features\.21\.weight' .* shape \(64, 32, 3, 3\), but the network needs \(32, 32, 3, 3\): .*'base'"
    refused(tmp_path, tensors, encoder, shapes)


def test_a_mapping_must_cover_the_encoder(encoder, tmp_path):
    mapping = vgg16_mapping()
    del mapping["features.0.bias"]
    with pytest.raises(ValueError, match=r"differ in \['0\.0\.bias'\]"):
        load_encoder(encoder, tmp_path / "none.pth", mapping)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
@pytest.mark.parametrize("damage", ["empty", "short", "noise", "text"])
def test_a_damaged_file_is_refused_in_words(tmp_path, tensors, suffix, damage):
    path = write(tmp_path, tensors, suffix)
    whole = path.read_bytes()
    noise = bytes((7 * n + n // 256) % 256 for n in range(5000))
    path.write_bytes({"empty": b"", "short": whole[: len(whole) // 2], "noise": noise, "text": b"<html>"}[damage])
    with pytest.raises(UserError, match=r"damaged.*get the file again") as error:
        read_weights(path)
    assert str(path) in str(error.value)
    assert "weights_only" not in str(error.value)  # torch's advice to read it unsafely


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.pth", tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(UserError, match="cannot be read") as error:
            read_weights(path)
        assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "content", [[torch.ones(1)], {"state_dict": {"a": torch.ones(1)}}, torch.ones(3)], ids=type
)
def test_anything_but_named_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "odd.pt")
    with pytest.raises(UserError, match="not a dictionary of tensors"):
        read_weights(tmp_path / "odd.pt")


class Evil:
    """Unpickling this writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("write_evil", [torch.save, lambda evil, path: path.write_bytes(pickle.dumps(evil))])
def test_code_in_a_file_is_not_run(tmp_path, write_evil):
    marker = tmp_path / "marker"
    write_evil({"features.0.weight": Evil(marker)}, tmp_path / "evil.pth")
    with pytest.raises(UserError, match="hold more than tensors"):
        read_weights(tmp_path / "evil.pth")
    assert not marker.exists()
