"""Models compute on the device that their network can compute on."""

from contextlib import nullcontext

import numpy as np
import pytest
import tifffile
import torch

import napari_unet as nu
from napari_unet.arrays.axes import Image
from napari_unet.events import Note
from napari_unet.jobs import Model, Request, cluster, predict_file, stored
from napari_unet.jobs.prediction import prediction
from napari_unet.learn.modelfile import Trained
from napari_unet.nets import build, onnx_graph
from napari_unet.spec import DEFAULT_CLASSES, OnnxSpec, TargetSpec, TilingSpec, TrainingSpec
from synthetic import tissue

IMAGE, _ = tissue((2, 64, 64), 10)
WORDS = "this model is an ONNX graph: computing on the CPU"


class Session:
    """Stands in for that of onnxruntime: the image, and its negative."""

    opened = 0

    def __init__(self, graph):
        Session.opened += 1

    def get_inputs(self):
        return [type("Input", (), {"name": "x"})()]

    def run(self, _, given):
        return [np.concatenate([given["x"], -given["x"]], axis=1)]


@pytest.fixture
def graph(monkeypatch):
    """A model that is an ONNX graph, on a machine with two GPUs, which it would be wrong to touch."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr("napari_unet.learn.device._works", lambda _: True)
    monkeypatch.setattr(onnx_graph, "open_session", Session)
    monkeypatch.setattr(Session, "opened", 0)
    spec = TrainingSpec(
        net=OnnxSpec(bytes=4, stride=(8, 8), halo=(8, 8)), target=TargetSpec(classes=DEFAULT_CLASSES[:2])
    )
    return Model(Trained(spec, build(spec.net).eval()))


def words(events):
    return [e.text for e in events if isinstance(e, Note)]


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_graph_is_predicted_on_the_cpu_whatever_gpus_there_are(graph, device):
    tiling = TilingSpec(device=device)
    out = np.zeros((2, *IMAGE.shape), np.float32)
    assert WORDS in words(prediction(graph, Image(IMAGE, "ZYX"), {"probabilities": out}, tiling=tiling))
    np.testing.assert_allclose(out.sum(axis=0), 1, atol=1e-6)
    assert graph.devices(device)[0] == [torch.device("cpu")]
    graph.check_precision(tiling)


def test_previews_and_suggestions_of_a_graph_open_one_session(graph):
    image = Image(IMAGE, "ZYX")
    for z in (0, 1, 0):
        graph.preview(image, 0, z)
    nu.suggest(image, model=graph)
    assert Session.opened == 1


def test_files_are_predicted_on_the_cpu_and_by_a_cluster_too(graph, tmp_path, monkeypatch):
    def run(client, folder, numbers, before, tiling):
        for n in numbers:
            cluster.run_one(str(folder), n, tiling.model_dump())
        yield from ()

    said, run_numbers = [], stored.run_numbers

    def follow(*args):
        for event in run_numbers(*args):
            said.append(event)
            yield event

    monkeypatch.setattr(stored, "connected", nullcontext)
    monkeypatch.setattr(stored, "run_on_cluster", run)
    monkeypatch.setattr(stored, "run_numbers", follow)
    tifffile.imwrite(tmp_path / "i.tif", IMAGE, photometric="minisblack", metadata={"axes": "ZYX"})
    for name, scheduler in (("a.tif", None), ("b.tif", "tcp://127.0.0.1:8786")):
        said.clear()
        list(predict_file(graph, Request(tmp_path / "i.tif", tmp_path / name), scheduler=scheduler))
        assert WORDS in words(said)
    np.testing.assert_array_equal(*(tifffile.imread(tmp_path / name) for name in ("a.tif", "b.tif")))


def test_other_networks_take_all_gpus(graph):
    devices, said = Model(Trained(TrainingSpec(), build(TrainingSpec().net))).devices("auto")
    assert [str(d) for d in devices] == ["cuda:0", "cuda:1"]
    assert said == "computing on 2 GPUs (CUDA)"
