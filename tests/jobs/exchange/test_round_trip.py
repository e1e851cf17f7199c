"""Packages of ours: written, described truthfully, read back bit for bit."""

import ast
import io
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import napari_unet as nu
from exchange_tools import changed, model_of, unpacked
from napari_unet.errors import UserError
from napari_unet.jobs.exchange import export_model
from napari_unet.jobs.exchange.importing import import_package
from napari_unet.jobs.provenance import Provenance
from napari_unet.learn.start import shipped
from napari_unet.nets import geometry_of
from napari_unet.nets.head import probabilities
from napari_unet.spec import UNet2015Spec, UNetSpec
from napari_unet.storage.bioimageio.card import Card
from napari_unet.storage.read import open_image
from networks import SMALL


@pytest.mark.parametrize("net", SMALL, ids=lambda n: f"{n.kind}-{n.classes}")
def test_every_network_comes_back_bit_for_bit(net, tmp_path):
    model, path = model_of(net, "percentile"), tmp_path / "a.zip"
    export_model(model, path)
    again = import_package(path)
    before, after = model.trained.network.state_dict(), again.trained.network.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert again.spec == model.spec
    assert again.trained.history == model.trained.history
    assert again.trained.info["steps"] == 3
    _source_builds_the_same(model, path)


def _source_builds_the_same(model, path):
    """Without this package, from torch alone."""
    net = model.spec.net
    told, files = unpacked(path)
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).partition(".")[0]
        for node in ast.walk(ast.parse(files["architecture.py"]))
        if isinstance(node, ast.ImportFrom | ast.Import)
    }
    assert imported <= {"__future__", "torch", "math", "types", "typing", "itertools", "collections", "pathlib"}
    entry = told["weights"]["pytorch_state_dict"]
    names = {"__name__": "architecture"}
    exec(compile(files["architecture.py"], "architecture.py", "exec"), names)
    network = names[entry["architecture"]["callable"]](**entry["architecture"]["kwargs"]).eval()
    network.load_state_dict(torch.load(io.BytesIO(files["weights.pt"]), weights_only=True))
    x = torch.randn(1, net.in_channels, *geometry_of(net).input_shape((16,) * net.ndim))
    with torch.inference_mode():
        assert torch.equal(network(x), probabilities(model.trained.network(x), net))


@pytest.mark.parametrize("method", ["meanstd", "percentile", "none"])
def test_the_test_output_is_what_the_steps_of_the_description_give(method, tmp_path):
    model, path = model_of(method=method), tmp_path / "a.zip"
    export_model(model, path)
    told, files = unpacked(path)
    x = np.load(io.BytesIO(files["test_input.npy"])).astype(np.float64)
    for step in told["inputs"][0]["preprocessing"]:
        kwargs = step.get("kwargs", {})
        if step["id"] == "zero_mean_unit_variance":
            x = (x - x.mean()) / (x.std() + 1e-6)
        elif step["id"] == "scale_range":
            low, high = np.percentile(x, [kwargs["min_percentile"], kwargs["max_percentile"]])
            x = (x - low) / (high - low + 1e-6)
        elif step["id"] == "scale_linear":
            x = x * kwargs["gain"] + kwargs["offset"]
        else:
            assert step == {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}
    with torch.inference_mode():
        found = probabilities(model.trained.network(torch.from_numpy(x.astype(np.float32))), model.spec.net)
    np.testing.assert_allclose(np.load(io.BytesIO(files["test_output.npy"])), found, atol=1e-5)


def test_the_description_tells_lengths_halo_and_classes(tmp_path):
    export_model(model_of(), tmp_path / "a.zip", card=Card("My cells", "Cells.", ("Ada", "Bo"), "MIT"))
    told, files = unpacked(tmp_path / "a.zip")
    (halo, _), (step, _) = geometry_of(UNetSpec(base=4, depth=2)).halo, geometry_of(UNetSpec(depth=2)).stride
    size = told["inputs"][0]["axes"][2]["size"]
    assert (size["step"], size["min"] % step, size["min"] > 2 * halo) == (step, 0, True)
    assert told["outputs"][0]["axes"][1]["channel_names"] == ["cell", "boundary", "background"]
    assert [a.get("halo") for a in told["outputs"][0]["axes"][2:]] == [halo, halo]
    assert (told["name"], told["license"], told["authors"]) == (
        "My cells",
        "MIT",
        [{"name": "Ada"}, {"name": "Bo"}],
    )
    assert "Ronneberger" in told["cite"][0]["text"]
    assert Image.open(io.BytesIO(files["cover.png"])).size == (512, 256)
    assert "cell (cell), boundary (boundary)" in files["README.md"].decode()


def test_a_valid_network_tells_by_how_much_its_output_is_shorter(tmp_path):
    export_model(model_of(UNet2015Spec(base=4, depth=2)), tmp_path / "a.zip")
    told, files = unpacked(tmp_path / "a.zip")
    image, output = (np.load(io.BytesIO(files[f"test_{n}.npy"])) for n in ("input", "output"))
    axis = told["outputs"][0]["axes"][2]
    assert axis["size"]["offset"] == output.shape[2] - image.shape[2] == -40
    assert "halo" not in axis


def test_no_path_of_this_machine_is_given_away(tmp_path):
    home = tmp_path / "home" / "secret"
    home.mkdir(parents=True)
    files = [home / "a.tif", home / "labels.tif"]
    for file in files:
        tifffile.imwrite(file, np.ones((16, 16), np.uint8))
    pairs = [(open_image(files[0], "YX"), open_image(files[1], "YX"))]
    model = model_of()
    model.save(home / "start.safetensors")
    start = nu.load(home / "start.safetensors").facts
    facts = Provenance(pairs, [(0, 0, 0)], files[1:], start).facts()
    assert str(facts).count("secret") == 3  # the image, the labels, the model it started from
    made = nu.Model(replace(model.trained, info={**model.trained.info, **facts, "deep": [{"paths": [str(home)]}]}))
    export_model(made, tmp_path / "a.zip")
    told, others = unpacked(tmp_path / "a.zip")
    assert "a.tif" in str(told["config"])
    assert told["config"]["napari_unet"]["info"]["labels"] == {
        k: v for k, v in facts["labels"].items() if k != "paths"
    }
    assert not any(b"secret" in content for content in (str(told).encode(), *others.values()))
    assert import_package(tmp_path / "a.zip").trained.info["start"] == start.model_dump(exclude={"path"})


def test_the_test_input_is_cut_from_an_image_of_the_users_own(tmp_path):
    image = np.random.default_rng(0).integers(0, 4000, (300, 300), dtype=np.uint16)
    export_model(model_of(), tmp_path / "a.zip", image=image)
    _, files = unpacked(tmp_path / "a.zip")
    found = np.load(io.BytesIO(files["test_input.npy"]))
    np.testing.assert_array_equal(found[0, 0], image[22:278, 22:278])
    with pytest.raises(UserError, match=r"needs 1 channel\(s\), .* has 2"):
        export_model(model_of(), tmp_path / "a.zip", image=np.stack([image, image]), axes="CYX")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (np.nan, "holds pixels that are NaN or infinite"),
        (np.inf, "holds pixels that are NaN or infinite"),
        (7, r"is constant \(every pixel is 7\)"),
    ],
)
def test_an_image_that_shows_nothing_is_no_test_input(tmp_path, value, found):
    path = tmp_path / "a.zip"
    path.write_bytes(b"an older one")
    with pytest.raises(UserError, match=f"the middle of image, which becomes the test input, {found}"):
        export_model(model_of(), path, image=np.full((300, 300), value, np.float32))
    assert path.read_bytes() == b"an older one"
    half = np.random.default_rng(0).random((300, 300), np.float32)
    half[22:278, 22:278] = value  # it is not its rim that is shown
    with pytest.raises(UserError, match=found):
        export_model(model_of(), path, image=half)


def test_one_channel_of_a_test_input_may_be_empty(tmp_path):
    image = np.random.default_rng(0).integers(0, 4000, (2, 300, 300), dtype=np.uint16)
    image[1] = 0
    net = UNetSpec(base=4, depth=2, classes=3, in_channels=2)
    export_model(model_of(net), tmp_path / "a.zip", image=image, axes="CYX")
    assert import_package(tmp_path / "a.zip").spec.net == net


def test_load_reads_packages_as_well(tmp_path):
    export_model(model_of(), tmp_path / "a.zip")
    image = np.random.default_rng(0).integers(0, 255, (40, 50), dtype=np.uint8)
    np.testing.assert_array_equal(nu.load(tmp_path / "a.zip").predict(image), model_of().predict(image))


def test_what_cannot_be_exported_is_told(tmp_path):
    model = model_of()
    with pytest.raises(UserError, match=r"ends in \.zip, got 'a.txt'"):
        export_model(model, tmp_path / "a.txt")
    with pytest.raises(UserError, match="no weights 'keras'; there are: onnx, torchscript"):
        export_model(model, tmp_path / "a.zip", weights=["keras"])
    with pytest.raises(UserError, match="could not write"):
        export_model(model, tmp_path / "none" / "a.zip")
    assert not list(tmp_path.iterdir())


def test_a_failed_export_leaves_the_older_package(tmp_path, monkeypatch):
    path = tmp_path / "a.zip"
    export_model(model_of(), path)
    before = path.read_bytes()
    monkeypatch.setattr("zipfile.ZipFile.writestr", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(UserError, match="No space left"):
        export_model(model_of(), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_a_changed_weight_is_noticed(tmp_path):
    path = tmp_path / "a.zip"
    export_model(model_of(), path)

    def damage(told, files):
        files["weights.pt"] = files["weights.pt"][:-600] + b"\1" * 600

    with pytest.raises(UserError, match=r"'weights.pt' in .* is damaged"):
        import_package(changed(path, damage))


def test_the_network_that_the_package_brings_finds_the_same_cells_after_a_round_trip(tmp_path):
    from napari_unet.storage.samples import load_sample

    export_model(nu.Model(shipped()), tmp_path / "a.zip")
    image = load_sample("nuclei-5").image
    cells = nu.load(tmp_path / "a.zip").cells(image)
    np.testing.assert_array_equal(cells, nu.Model(shipped()).cells(image))
    assert cells.max() > 5
