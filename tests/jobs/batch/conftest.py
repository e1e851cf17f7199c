"""A small model, a few images, and a batch of them."""

import pytest
import tifffile

import napari_unet as nu
from napari_unet.spec import BatchSpec, TilingSpec
from napari_unet.storage.samples import load_sample

TILING = TilingSpec(tile=72)


@pytest.fixture(scope="session")
def model_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    sample = load_sample("nuclei-2")
    options = {"steps": 30, "base": 6, "depth": 2, "patch": (64, 64), "val_fraction": 0}
    nu.train(sample.image, sample.labels, style="cells", dense=True, **options).save(path)
    return path


@pytest.fixture(scope="session")
def model(model_path):
    return nu.load(model_path)


@pytest.fixture
def images(tmp_path):
    """Three real images, one in a folder of its own, and a file that is cut short."""
    folder = tmp_path / "images"
    (folder / "day 2").mkdir(parents=True)
    for name, where in (("nuclei-1", "a.tif"), ("nuclei-2", "b.tif"), ("nuclei-4", "day 2/a.tif")):
        tifffile.imwrite(folder / where, load_sample(name).image[:120, :150])
    whole = (folder / "b.tif").read_bytes()
    (folder / "cut.tif").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.fixture
def spec(model_path, images, tmp_path):
    def make(**fields):
        usual = {"inputs": (str(images),), "folder": tmp_path / "out", "recursive": True, "tiling": TILING}
        return BatchSpec(model=model_path, **{**usual, **fields})

    return make
