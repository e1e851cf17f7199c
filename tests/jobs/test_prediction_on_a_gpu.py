"""Predictions on a pretend GPU are those of the CPU: in any precision, on two GPUs, and where memory is short."""

import numpy as np
import pytest
import torch

import napari_unet as nu
from exchange_tools import model_of
from napari_unet.arrays.axes import Image
from napari_unet.events import Note
from napari_unet.jobs import Model, prediction
from napari_unet.learn import inference
from napari_unet.learn.converting import to_onnx
from napari_unet.learn.modelfile import Trained
from napari_unet.nets import geometry_of
from napari_unet.nets.onnx_graph import OnnxGraph
from napari_unet.spec import OnnxSpec, TilingSpec
from networks import SMALL
from pretend_cuda import CPU, pretend_cuda
from synthetic import classes, tissue

GPU = torch.device("cuda", 0)
IMAGE, CELLS = tissue((3, 60, 72), 20)
STACK = Image(IMAGE, "ZYX")
FULL = {"precision": "full"}


def trained(net, **options):
    """A model that is sure of most pixels: all outputs hold something."""
    common = {"steps": 25, "learning_rate": 0.01, "val_fraction": 0, "start": "random", "precision": "full"}
    return nu.train(IMAGE, classes(CELLS), net=net, base=4, **common, **options)


@pytest.fixture(scope="module")
def flat():
    return trained("unet", depth=2, patch=(32, 32), batch=2)


@pytest.fixture(scope="module")
def volume():
    return trained("unet3d", depth=1, patch=(2, 24, 24), batch=2)


@pytest.fixture(params=["flat", "volume"])
def model(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def plain(monkeypatch):
    """The CPU computes with the operations that a GPU computes with: then both give the same bits."""
    monkeypatch.setattr(inference, "has_fused", lambda ndim: False)


def all_outputs(model, **tiling):
    """Every output of a prediction, and the notes."""
    shape = IMAGE.shape
    outputs = {
        "probabilities": np.zeros((len(model.classes), *shape), np.uint8),
        "classes": np.zeros(shape, np.uint8),
        "boundaries": np.zeros(shape, np.uint8),
        "cells": np.zeros(shape, np.int32),
    }
    return outputs, _predict(model, outputs, tiling)


def probabilities(model, **tiling):
    """Probabilities as float32, and the notes."""
    out = np.zeros((len(model.classes), *IMAGE.shape), np.float32)
    return out, _predict(model, {"probabilities": out}, tiling)


def _predict(model, outputs, tiling):
    events = prediction(model, STACK, outputs, tiling=TilingSpec(**tiling))
    return [e.text for e in events if isinstance(e, Note)]


@pytest.mark.parametrize("spec", SMALL, ids=str)
@torch.inference_mode()
def test_every_network_computes_the_same(spec):
    model = model_of(spec)
    x = torch.randn(1, spec.in_channels, *geometry_of(spec).input_shape([32] * spec.ndim))
    expected = model.prepared(CPU, "full")(x)
    bound = 0.02 * expected.abs().max()
    with pretend_cuda():
        for precision, allowed in (("full", 1e-3 * bound), ("auto", bound)):
            network = model.prepared(GPU, precision)
            assert {t.device for t in network.state_dict().values()} == {GPU}
            found = network(x.to(GPU))
            assert found.device == GPU
            torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=float(allowed))
        assert {t.device for t in model.trained.network.state_dict().values()} == {CPU}


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("tiling", [{}, {"tile": 64}, {"halo": "auto"}], ids=str)
def test_all_outputs_are_the_same(model, tiling):
    expected, _ = all_outputs(model, **FULL, **tiling)
    with pretend_cuda():
        found, notes = all_outputs(model, **FULL, **tiling)
    assert notes[0] == "computing on the GPU (CUDA)"
    assert any("places that were measured" in n for n in notes) == ("halo" in tiling)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
        assert values.any()


def test_in_half_precision_nearly_the_same_is_predicted(model):
    expected, _ = probabilities(model, **FULL)
    with pretend_cuda():
        found, _ = probabilities(model)
    assert (found != expected).any()
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.02)


@pytest.mark.usefixtures("plain")
def test_two_gpus_share_the_blocks(flat, monkeypatch):
    used, prepared = set(), Model.prepared

    def seen(self, device, precision):
        used.add(device)
        return prepared(self, device, precision)

    monkeypatch.setattr(Model, "prepared", seen)
    expected, _ = all_outputs(flat, tile=56, **FULL)
    used.clear()
    with pretend_cuda(2):
        found, notes = all_outputs(flat, tile=56, **FULL)
    assert notes[0] == "computing on 2 GPUs (CUDA)"
    assert used == {GPU, torch.device("cuda", 1)}
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("precision", ["full", "auto"])
def test_without_memory_the_cpu_gives_the_same_bits_as_ever(flat, precision):
    expected, _ = probabilities(flat, **FULL)
    with pretend_cuda(largest=40_000):  # of 52 x 52 pixels, the least, the first layer gives 43,264 bytes
        found, notes = probabilities(flat, precision=precision)
    assert notes[0] == "computing on the GPU (CUDA)"
    assert notes[-1].endswith("going on with the CPU")
    np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("precision", ["full", "auto"])
def test_a_gpu_that_is_full_before_anything_begins_is_done_without(flat, precision):
    expected, _ = probabilities(flat, **FULL)
    with pretend_cuda(largest=1_000):  # the weights of a layer take 1,152 bytes and more
        found, notes = probabilities(flat, precision=precision)
    assert notes[-1] == "not enough memory on the GPU for the network: going on with the CPU"
    np.testing.assert_array_equal(found, expected)


def test_with_little_memory_smaller_tiles_give_the_same(flat):
    expected, _ = probabilities(flat, **FULL)
    with pretend_cuda(largest=120_000):  # a skip of a slice takes 138,240 bytes
        found, notes = probabilities(flat, **FULL)
    assert notes[0] == "computing on the GPU (CUDA)"
    assert notes[-1].endswith("going on with smaller tiles")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def look(model):
    """A preview of a plane, and a suggestion."""
    return model.preview(STACK, 0, 1), nu.suggest(IMAGE, model=model, seconds=60)


def test_a_plane_is_previewed_and_a_place_suggested_as_on_the_cpu(flat):
    preview, suggestion = look(Model(flat.trained))
    with pretend_cuda():
        of_gpu, suggested = look(Model(flat.trained))
    np.testing.assert_allclose(of_gpu, preview, rtol=0, atol=0.02)
    assert suggested.region == suggestion.region
    assert suggested.unsure == pytest.approx(suggestion.unsure, abs=0.01)


def test_what_was_used_on_a_gpu_is_saved_as_it_was(flat, tmp_path):
    model, file = Model(flat.trained), tmp_path / "a.safetensors"
    expected, sha256 = model.predict(IMAGE), model.facts.sha256
    with pretend_cuda():
        model.predict(IMAGE)
        model.save(file)
        assert nu.load(file).facts.sha256 == sha256
    np.testing.assert_array_equal(nu.load(file).predict(IMAGE), expected)


def test_an_imported_graph_computes_on_the_cpu_where_there_is_a_gpu(flat):
    pytest.importorskip("onnxruntime")
    graph = to_onnx(flat.trained.network, torch.zeros(1, 1, 64, 64), ["y", "x"])
    net = OnnxSpec(bytes=len(graph), stride=(4, 4), halo=(24, 24))
    network = OnnxGraph(net)
    network.load_state_dict({"graph": torch.frombuffer(bytearray(graph), dtype=torch.uint8)})
    model = Model(Trained(flat.spec.model_copy(update={"net": net}), network.eval()))
    expected, _ = probabilities(model)
    with pretend_cuda():
        found, notes = probabilities(model)
    assert notes[0] == "this model is an ONNX graph: computing on the CPU"
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found, flat.predict(IMAGE), rtol=0, atol=1e-4)
