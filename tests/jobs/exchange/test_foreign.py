"""Networks of others: the nuclei U-Net of BioImage.IO's own examples, and what networks may be like."""

import io
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

import napari_unet as nu
from exchange_tools import changed, model_of
from milesial import trained
from napari_unet.arrays.axes import Image
from napari_unet.errors import UserError
from napari_unet.events import Note
from napari_unet.jobs.exchange import export_model, import_package
from napari_unet.jobs.prediction import prediction
from napari_unet.learn.converting import to_onnx, to_state_dict
from napari_unet.learn.graphs import loosened, measure_halo
from napari_unet.spec import TilingSpec
from napari_unet.storage.samples import load_sample

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def nuclei(root, tmp_path_factory):
    """The nuclei U-Net as a folder with descriptions of both formats."""
    folder = tmp_path_factory.mktemp("nuclei")
    with zipfile.ZipFile(root / "tests" / "data" / "unet2d_nuclei_broad.zip") as file:
        file.extractall(folder)
    return folder


@pytest.mark.parametrize("description", ["bioimageio.yaml", "v0_4_9.bioimageio.yaml"])
def test_the_nuclei_unet_gives_its_test_output(nuclei, description, tmp_path):
    import_package(nuclei / description).save(tmp_path / "m.safetensors")
    model = nu.load(tmp_path / "m.safetensors")
    image, expected = (np.load(nuclei / f"test_{n}.npy")[0, 0] for n in ("input", "output"))
    found = model.predict(image)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-6)
    assert [(c.name, c.role) for c in model.classes] == [("probability", "cell"), ("background", "background")]
    assert model.spec.net.stride == (8, 8)  # found by running it: its description tells 512 x 512 alone
    assert 50 < model.cells(image).max() < 80


def test_it_finds_nuclei_of_another_size_and_in_tiles(nuclei):
    model = import_package(nuclei / "bioimageio.yaml")
    sample = load_sample("nuclei-5")
    found = model.predict(sample.image)[0] > 0.5
    truth = sample.labels > 0
    assert (found & truth).sum() / (found | truth).sum() > 0.85
    tiled = model.predict(sample.image, tiling=TilingSpec(tile=192))[0]
    np.testing.assert_allclose(tiled, model.predict(sample.image)[0], atol=1e-3)


def test_it_cannot_be_trained_or_exported(nuclei, tmp_path):
    model = import_package(nuclei / "bioimageio.yaml")
    with pytest.raises(UserError, match="imported as an ONNX graph: it predicts, and cannot be trained"):
        nu.train(np.eye(64), np.eye(64, dtype=np.uint8) + 1, start=model, steps=1)
    with pytest.raises(UserError, match="was imported from a package"):
        export_model(model, tmp_path / "a.zip")


def stranger(path, network, classes, *, steps=()):
    """A package with the ONNX graph of any network; its test output is what the network gives."""
    export_model(model_of(), path)

    def change(told, files):
        told["config"] = {}
        x = np.load(io.BytesIO(files["test_input.npy"]))
        seen = torch.from_numpy(((x - x.mean()) / x.std()).astype(np.float32))
        with torch.inference_mode():
            output = network(seen)
        for step in steps:
            output = {"sigmoid": torch.sigmoid, "softmax": lambda v: v.softmax(1)}[step](output)
        out = io.BytesIO()
        np.save(out, output.numpy())
        onnx = to_onnx(network, seen, ["y", "x"])
        files.update({"test_output.npy": out.getvalue(), "weights.onnx": onnx})
        del told["inputs"][0]["test_tensor"]["sha256"], told["outputs"][0]["test_tensor"]["sha256"]
        told["outputs"][0]["axes"][1]["channel_names"] = classes
        told["outputs"][0]["postprocessing"] = [{"id": step} for step in steps]
        told["weights"] = {"onnx": {"source": "weights.onnx", "opset_version": 17}}

    return changed(path, change)


class Layers(nn.Module):
    def __init__(self, outputs, last):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, outputs, 1))
        self.last = last

    def forward(self, x):
        return self.last(self.layers(x))


PLAIN, SOFT = nn.Identity(), nn.Softmax(dim=1)


@pytest.mark.parametrize(
    ("outputs", "last", "steps", "classes"),
    [
        (3, SOFT, [], ["cell", "boundary", "background"]),
        (3, PLAIN, ["softmax"], ["cell", "boundary", "background"]),
        (1, nn.Sigmoid(), [], ["cell"]),
        (1, PLAIN, ["sigmoid"], ["cell"]),
    ],
)
def test_probabilities_and_what_becomes_them(outputs, last, steps, classes, tmp_path):
    torch.manual_seed(2)
    network = Layers(outputs, last).eval()
    model = import_package(stranger(tmp_path / "a.zip", network, classes, steps=steps))
    image = np.random.default_rng(0).integers(0, 255, (40, 48)).astype(np.float32)
    with torch.inference_mode():
        made = network.layers(torch.from_numpy((image - image.mean()) / image.std())[None, None])
    expected = (made.sigmoid() if outputs == 1 else made.softmax(1)).numpy()[0]
    np.testing.assert_allclose(model.predict(image)[:outputs], expected, atol=1e-5)


def test_channels_that_do_not_exclude_one_another_leave_a_rest(tmp_path):
    torch.manual_seed(2)
    network = Layers(2, nn.Sigmoid()).eval()
    model = import_package(stranger(tmp_path / "a.zip", network, ["foreground", "boundary"]))
    assert [c.role for c in model.classes] == ["cell", "boundary", "background"]
    image = np.random.default_rng(0).integers(0, 255, (40, 48)).astype(np.float32)
    with torch.inference_mode():
        p, q = network(torch.from_numpy((image - image.mean()) / image.std())[None, None]).numpy()[0]
    rest = (1 - p) * (1 - q)
    expected = np.stack([p, q, rest]) / (p + q + rest)
    np.testing.assert_allclose(model.predict(image), expected, atol=1e-5)


def test_a_network_that_gives_no_probabilities_is_refused(tmp_path):
    network = Layers(1, PLAIN).eval()
    with torch.no_grad():
        network.layers[2].bias += 5
    with pytest.raises(UserError, match="which are no probabilities"):
        import_package(stranger(tmp_path / "a.zip", network, ["cell"]))


def test_a_package_that_does_not_give_its_own_test_output_is_refused(tmp_path):
    torch.manual_seed(2)
    path = stranger(tmp_path / "a.zip", Layers(1, nn.Sigmoid()).eval(), ["cell"])

    def change(told, files):
        output = np.load(io.BytesIO(files["test_output.npy"]))
        output[0, 0, 5, 5] = 0.9 if output[0, 0, 5, 5] < 0.5 else 0.1
        out = io.BytesIO()
        np.save(out, output)
        files["test_output.npy"] = out.getvalue()

    with pytest.raises(UserError, match="does not give its own test output"):
        import_package(changed(path, change))


def as_array(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def package_of_milesial(path, **more):
    """As its own users may write it: the state dict, and probabilities after a step of postprocessing."""
    export_model(model_of(), path)
    network = trained(**more)

    def change(told, files):
        told["config"] = {}
        x = np.load(io.BytesIO(files["test_input.npy"]))
        with torch.inference_mode():
            output = network(torch.from_numpy(((x - x.mean()) / x.std()).astype(np.float32))).sigmoid()
        files.update({"test_output.npy": as_array(output.numpy()), "weights.pt": to_state_dict(network)})
        del told["inputs"][0]["test_tensor"]["sha256"], told["outputs"][0]["test_tensor"]["sha256"]
        told["outputs"][0]["axes"][1]["channel_names"] = ["cell"]
        told["outputs"][0]["postprocessing"] = [{"id": "sigmoid"}]
        architecture = {"import_from": "unet", "callable": "UNet"}
        told["weights"] = {"pytorch_state_dict": {"source": "weights.pt", "architecture": architecture}}

    return changed(path, change), network


def test_a_network_of_one_output_is_known_by_the_names_of_its_weights(tmp_path):
    path, network = package_of_milesial(tmp_path / "a.zip", outputs=1)
    model = import_package(path)
    assert model.spec.net.kind == "unet"  # can be trained further
    assert [(c.name, c.role) for c in model.classes] == [("cell", "cell"), ("background", "background")]
    image = np.random.default_rng(0).integers(0, 255, (48, 64)).astype(np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy((image - image.mean()) / image.std())[None, None]).sigmoid()[0, 0]
    np.testing.assert_allclose(model.predict(image)[0], expected, atol=1e-5)


def test_names_that_mislead_give_way_to_the_graph(tmp_path):
    """Named as a network that is known, but what comes out is another: its ONNX weights tell."""
    path, _ = package_of_milesial(tmp_path / "a.zip", outputs=1)
    torch.manual_seed(2)
    other = Layers(1, PLAIN).eval()

    def change(told, files):
        x = np.load(io.BytesIO(files["test_input.npy"]))
        seen = torch.from_numpy(((x - x.mean()) / x.std()).astype(np.float32))
        with torch.inference_mode():
            files["test_output.npy"] = as_array(other(seen).sigmoid().numpy())
        if with_graph:
            files["weights.onnx"] = to_onnx(other, seen, ["y", "x"])
            told["weights"]["onnx"] = {"source": "weights.onnx", "opset_version": 17}

    with_graph = False
    with pytest.raises(UserError, match="does not give its own test output"):
        import_package(changed(path, change))
    with_graph = True
    assert import_package(changed(path, change)).spec.net.kind == "onnx"


class Wide(nn.Module):
    """Two convolutions of 15 x 15: 14 pixels at every rim are wrong."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 15, padding=7), nn.ReLU(), nn.Conv2d(4, 1, 15, padding=7))

    def forward(self, x):
        return (5 * self.layers(x)).sigmoid()


def without_halo(path, *, size):
    """A test input of some length, and no word of a halo."""

    def change(told, files):
        for name in ("input", "output"):
            files[f"test_{name}.npy"] = as_array(np.load(io.BytesIO(files[f"test_{name}.npy"]))[..., :size, :size])
        for side in ("inputs", "outputs"):
            for axis in told[side][0]["axes"][2:]:
                axis.pop("halo", None)
        for axis in told["inputs"][0]["axes"][2:]:
            axis["size"] = {"min": 4, "step": 4}

    return changed(path, change)


def test_a_halo_that_is_not_told_is_measured(tmp_path):
    torch.manual_seed(2)
    model = import_package(without_halo(stranger(tmp_path / "a.zip", Wide().eval(), ["cell"]), size=256))
    net = model.spec.net
    assert (net.stride, net.halo, net.halo_is_enough) == ((4, 4), (16, 16), True)
    image = np.random.default_rng(0).integers(0, 255, (150, 170), dtype=np.uint8)
    whole = model.predict(image)
    np.testing.assert_allclose(model.predict(image, tiling=TilingSpec(tile=64)), whole, atol=1e-6)
    wrong = model.predict(image, tiling=TilingSpec(tile=64, halo=0))
    assert np.abs(wrong - whole).max() > 0.05  # it matters


def test_a_halo_is_measured_on_a_mirrored_image_where_that_of_the_package_is_small():
    torch.manual_seed(2)
    network, seen = Wide().eval(), torch.randn(1, 1, 24, 20)
    graph = loosened(to_onnx(network, seen, ["y", "x"]), 2)
    assert measure_halo(graph, seen.numpy(), (4, 1)) == (14, 14)


class LooksAround(nn.Module):
    """Instance normalisation: every pixel depends on all."""

    def forward(self, x):
        return nn.functional.instance_norm(x, eps=0.1).sigmoid()


def test_tiles_of_a_network_that_looks_at_all_are_warned_of(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_unet.learn.graphs.LARGEST", 300**2)
    path = stranger(tmp_path / "a.zip", LooksAround().eval(), ["cell"])
    model = import_package(path)  # the description tells the steps
    assert not model.spec.net.halo_is_enough
    image = Image(np.random.default_rng(0).integers(0, 255, (150, 170), dtype=np.uint8), "YX")

    def warnings(tile):
        out = {"probabilities": np.zeros(model.output_shape(image, "probabilities"), np.float32)}
        events = prediction(model, image, out, tiling=TilingSpec(tile=tile))
        return [e.text for e in events if isinstance(e, Note) and e.warning]

    assert warnings(256) == []
    (words,) = warnings(96)
    assert "looks farther around every pixel than could be measured" in words


class LooksAtAll(nn.Module):
    def forward(self, x):
        return (x - x.mean(dim=(2, 3), keepdim=True) * 3).sigmoid()


def test_a_network_that_looks_at_the_whole_image_is_refused(tmp_path):
    path = stranger(tmp_path / "a.zip", LooksAtAll().eval(), ["cell"])

    def change(told, files):
        for axis in told["inputs"][0]["axes"][2:]:
            axis["size"] = 256

    with pytest.raises(UserError, match="takes images of 256 x 256 pixels alone"):
        import_package(changed(path, change))


def test_steps_that_are_not_known_are_told(tmp_path):
    path = stranger(tmp_path / "a.zip", Layers(1, nn.Sigmoid()).eval(), ["cell"])

    def change(told, files):
        told["inputs"][0]["preprocessing"] = [{"id": "clip", "kwargs": {"min": 0, "max": 1}}]

    with pytest.raises(UserError, match="the preprocessing 'clip' is not known here"):
        import_package(changed(path, change))


def test_without_onnxruntime_the_cure_is_told(nuclei, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"napari-unet-live\[onnx\]"):
        import_package(nuclei / "bioimageio.yaml")
