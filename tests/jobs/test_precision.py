"""Half precision: nearly the same pixels, exact tiles, and a clear refusal where a processor has none."""

import numpy as np
import pytest
import tifffile
import torch

import napari_unet as nu
from cli_tools import good, run
from napari_unet.arrays.targets import IGNORE
from napari_unet.errors import UserError
from napari_unet.events import CheckDone
from napari_unet.jobs import Training, as_pairs
from napari_unet.learn import precision as half_or_full
from napari_unet.learn.inference import prepare
from napari_unet.learn.precision import has_bfloat16, learns_in_half, predicts_in_half
from napari_unet.nets import build, geometry_of
from napari_unet.nets.head import probabilities
from napari_unet.spec import TargetSpec, TilingSpec, TrainingSpec, TrainSpec, UNet3DSpec, VGG16UNetSpec
from napari_unet.storage.records import require_record
from napari_unet.storage.samples import load_sample
from napari_unet.storage.unfinished import folder_of
from networks import SMALL
from synthetic import classes, strokes, tissue

CPU = torch.device("cpu")
FULL, HALF = TilingSpec(precision="full"), TilingSpec(precision="half")
needs_half = pytest.mark.skipif(not has_bfloat16(), reason="this processor does not compute with bfloat16 numbers")


@pytest.fixture(scope="module")
def model():
    """Trained long enough to be sure of most pixels."""
    sample = load_sample("nuclei-2")
    return nu.train(
        sample.image, sample.labels, style="cells", dense=True, steps=40, patch=(96, 96), val_fraction=0
    )


@pytest.fixture(scope="module")
def files(model, tmp_path_factory):
    """Model and image."""
    folder = tmp_path_factory.mktemp("files")
    tifffile.imwrite(folder / "image.tif", load_sample("nuclei-2").image)
    model.save(folder / "model.safetensors")
    return folder / "model.safetensors", folder / "image.tif"


@needs_half
@pytest.mark.parametrize("name", ["nuclei-1", "nuclei-2", "nuclei-6"])
def test_of_the_mask_of_real_images_less_than_a_thousandth_changes(model, name):
    image = load_sample(name).image
    full, half = (model.boundaries(image, tiling=t) for t in (FULL, HALF))
    assert 0.005 < full.mean() < 0.5
    assert (full != half).mean() <= 0.001
    assert abs(model.predict(image, tiling=FULL) - model.predict(image, tiling=HALF)).max() < 0.1


@needs_half
def test_tiles_are_exact_in_half_precision_too(model):
    image = load_sample("nuclei-6").image
    whole = model.predict(image, tiling=HALF)
    tiled = model.predict(image, tiling=TilingSpec(precision="half", tile=200))
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-5)
    assert abs(whole - model.predict(image, tiling=FULL)).max() > 1e-5  # it really was another precision


@needs_half
def test_a_volume():
    image, cells = tissue((12, 40, 40), 20)
    model = nu.train(image, classes(cells), net="unet3d", steps=5, base=4, depth=1, patch=(8, 24, 24), batch=1)
    full, half = (model.predict(image, tiling=t) for t in (FULL, HALF))
    np.testing.assert_allclose(half, full, rtol=0, atol=0.02)
    assert (full != half).any()


@needs_half
@pytest.mark.parametrize("spec", SMALL, ids=str)
@torch.inference_mode()
def test_every_network_computes_in_half_precision(spec):
    torch.manual_seed(0)
    network = build(spec).eval()
    x = torch.randn(1, spec.in_channels, *geometry_of(spec).input_shape([32] * spec.ndim))
    full, half = (probabilities(prepare(network, spec.ndim, CPU, half=h)(x), spec) for h in (False, True))
    assert half.dtype == torch.float32
    assert 0 < (half - full).abs().mean() < 0.01
    assert (half - full).abs().max() < 0.2


@needs_half
@pytest.mark.parametrize("start", ["shipped", "random"])
def test_a_training_learns_as_much_in_half_precision(start):
    sample = load_sample("nuclei-2")
    painted = strokes(sample.labels, part=0.1)
    common = {"style": "classes", "steps": 40, "patch": (96, 96), "start": start, "checks": 1, "val_fraction": 0.3}
    losses = {}
    for precision in ("full", "half"):
        heard = []
        nu.train(sample.image, painted, precision=precision, on_event=heard.append, **common)
        losses[precision] = [e.loss for e in heard if isinstance(e, CheckDone)][-1]
    assert losses["half"] != losses["full"]  # it really was another precision
    assert losses["half"] < 1.1 * losses["full"] + 0.01


@needs_half
def test_what_a_training_is_kept_to_is_seen_alike():
    image, cells = tissue((192, 192), 3)
    spec = TrainingSpec(target=TargetSpec(style="classes"), train=TrainSpec(steps=1))
    loop = Training(as_pairs([image], [strokes(cells, part=0.05)], None), spec)._loop
    anchor = loop.anchor
    images = torch.from_numpy((image[None, None, :128, :128] - image.mean()) / image.std()).float()
    seen = []
    for half in (False, True):
        anchor.to(CPU, half=half)
        seen.append(anchor._see(images).softmax(dim=1))
    with torch.no_grad():
        torch.testing.assert_close(seen[0], anchor.network(images).softmax(dim=1), rtol=0, atol=1e-4)
    torch.testing.assert_close(seen[1], seen[0], rtol=0, atol=0.1)
    assert (seen[0] != seen[1]).any()
    anchor.to(CPU, half=False)
    before = anchor._see(images)
    few = [np.where(np.arange(t.shape[-1]) < 60, t, IGNORE) for t in loop.sampler.targets]
    anchor.measure(loop.sampler.units, few, (64, 64))  # calibrates it anew
    after = anchor._see(images)
    assert (after - before).abs().max() > 1e-3
    with torch.no_grad():
        torch.testing.assert_close(after, anchor.network(images), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("precision", "kind", "predicts", "learns"),
    [
        ("auto", "cuda", True, True),
        ("auto", "cpu", False, True),
        ("auto", "mps", False, False),
        ("full", "cuda", False, False),
        ("full", "cpu", False, False),
        ("half", "cpu", True, True),
    ],
)
def test_what_is_computed_in_half_precision(precision, kind, predicts, learns, monkeypatch):
    monkeypatch.setattr(half_or_full, "has_bfloat16", lambda: True)
    monkeypatch.setattr(half_or_full, "halves_rightly", lambda name, ndim: name == "cuda")
    where, spec = torch.device(kind), TrainingSpec(train=TrainSpec(steps=1, precision=precision))
    assert (predicts_in_half(precision, spec, where), learns_in_half(spec, where)) == (predicts, learns)
    raw = TrainingSpec.model_validate({**spec.model_dump(), "normalisation": {"method": "none"}})
    plain = TrainingSpec(net=VGG16UNetSpec(), train=spec.train)
    assert learns_in_half(plain, where) == (learns and not (precision == "auto" and kind == "cpu"))
    assert not predicts_in_half(precision, raw, where)  # of 20,000 +- 200 only a few grey values would remain
    assert not learns_in_half(raw, where)


def test_a_card_that_computes_wrongly_in_half_precision_is_not_asked_to(monkeypatch):
    """Cards of the series GTX 16 give NaN."""
    monkeypatch.setattr(half_or_full, "halves_rightly", lambda name, ndim: False)
    where = torch.device("cuda")
    assert not predicts_in_half("auto", TrainingSpec(), where)
    assert not learns_in_half(TrainingSpec(), where)
    with pytest.raises(UserError, match="not faster on the device 'cuda', or not to be had"):
        predicts_in_half("half", TrainingSpec(), where)


@pytest.mark.parametrize(("version", "used"), [(None, True), (90_701, True), (91_002, False), (91_500, True)])
def test_volumes_are_in_half_precision_only_where_pytorch_uses_cudnn_for_them(version, used, monkeypatch):
    monkeypatch.setattr(half_or_full, "halves_rightly", lambda name, ndim: True)
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: version)
    where = torch.device("cuda")
    assert predicts_in_half("auto", TrainingSpec(net=UNet3DSpec()), where) == used
    assert predicts_in_half("auto", TrainingSpec(), where)


@needs_half
def test_layers_in_half_precision_are_compared_with_those_in_full(monkeypatch):
    assert [half_or_full.halves_rightly("cpu", ndim) for ndim in (2, 3)] == [True, True]
    half_or_full.halves_rightly.cache_clear()
    forward = torch.nn.Conv2d.forward
    broken = lambda self, x: forward(self, x) * (torch.nan if x.dtype == torch.bfloat16 else 1)  # noqa: E731
    monkeypatch.setattr(torch.nn.Conv2d, "forward", broken)
    assert not half_or_full.halves_rightly("cpu", 2)
    half_or_full.halves_rightly.cache_clear()


def test_an_old_processor_trains_in_full_precision(monkeypatch):
    monkeypatch.setattr(half_or_full, "has_bfloat16", lambda: False)
    assert not learns_in_half(TrainingSpec(), CPU)
    with pytest.raises(UserError, match="half precision is not faster on this processor"):
        nu.train(*tissue((32, 32), 5), style="cells", dense=True, steps=1, precision="half")


def test_a_processor_without_it_refuses_before_any_work(files, monkeypatch, tmp_path):
    monkeypatch.setattr(half_or_full, "has_bfloat16", lambda: False)
    done = run("predict", *files, "-o", tmp_path / "a.tif", "--precision", "half")
    assert done.exit_code == 1
    assert "is not faster on this processor, or not to be had; use the precision 'full'" in done.output
    assert not list(tmp_path.iterdir())
    done = run("batch", *files, "-o", tmp_path / "batch", "--precision", "half")
    assert done.exit_code == 1
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match="not faster on the device 'mps'"):
        predicts_in_half("half", TrainingSpec(), torch.device("mps"))


def test_a_refusal_leaves_what_is_finished(files, monkeypatch, tmp_path):
    common = ("predict", *files, "-o", tmp_path / "a.zarr", "--tile", 128)
    good(*common, "--shard", "1/2")
    before = sorted(p.name for p in folder_of(tmp_path / "a.zarr").rglob("*"))
    monkeypatch.setattr(half_or_full, "has_bfloat16", lambda: False)
    assert run(*common, "--precision", "half").exit_code == 1
    assert sorted(p.name for p in folder_of(tmp_path / "a.zarr").rglob("*")) == before


@needs_half
def test_a_file_is_told_its_precision_and_begun_anew_with_another(files, tmp_path):
    out = tmp_path / "out.zarr"
    common = ("predict", *files, "-o", out, "--tile", 128)
    assert run(*common, "--precision", "half", "--shard", "1/2").exit_code == 0
    assert folder_of(out).exists()
    assert "another precision; starting anew" in run(*common).output
    good(*common, "--precision", "half")
    settings = require_record(out).settings
    assert settings.tiling.precision == "half"
    assert "--precision half" in " ".join(settings.options())
