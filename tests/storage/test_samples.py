"""The samples: values, terms, and no download without consent."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest
import tifffile
from skimage.segmentation import find_boundaries

from napari_unet.errors import UserError
from napari_unet.storage import isbi
from napari_unet.storage.samples import FOLDER, SAMPLES, load_sample

BUNDLED = [name for name, sample in SAMPLES.items() if sample.bundled]


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_sample_has_labels_that_fit_and_mean_something(name):
    data = load_sample(name)
    assert data.image.shape == data.labels.shape
    assert len(data.axes) == data.image.ndim
    assert data.labels.dtype.kind == "u"
    assert len(np.unique(data.labels)) > 10
    if (data.labels == 0).any():
        assert data.image[data.labels > 0].mean() > 2 * data.image[data.labels == 0].mean()
    else:  # cells fill the epithelium: membranes, bright, lie where they touch
        rims = find_boundaries(data.labels)
        assert data.image[rims].mean() > 1.2 * data.image[~rims].mean()


def test_bundled_samples_are_small_and_free():
    assert sum(p.stat().st_size for p in FOLDER.iterdir()) < 2_000_000
    assert all("CC0" in SAMPLES[n].licence or "BSD" in SAMPLES[n].licence for n in BUNDLED)
    text = (FOLDER / "LICENSES.md").read_text(encoding="utf-8")
    assert all(n in text for n in ("nuclei-6", "nuclei-3d", "epithelium", "Chi-Li Chiu", "EpiTools Developers"))


def test_3d_sample_keeps_its_voxel_size():
    data = load_sample("nuclei-3d")
    assert (data.axes, data.spacing, data.unit) == ("ZYX", (0.58, 0.52, 0.52), "micrometer")


def test_unknown_sample_names_the_known_ones():
    with pytest.raises(UserError, match="there is no sample 'x'; there are: nuclei-1, "):
        load_sample("x")


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No data folder, an empty cache, no network."""
    monkeypatch.delenv(isbi.VARIABLE, raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda _: tmp_path)

    def refuse(*_args, **_options):
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return tmp_path / "isbi2012"


def test_terms_are_told_before_the_download():
    assert "non-commercial" in SAMPLES["isbi2012"].description
    assert "Cardona" in SAMPLES["isbi2012"].description


def test_registry_pins_every_file():
    known = isbi.registry()
    assert len(known) == 60
    assert all(len(digest) == 64 for digest in known.values())
    assert isbi.URL.startswith("https://")


def test_without_consent_one_sentence_and_no_connection(nowhere):
    with pytest.raises(UserError, match="allow the download, or set NAPARI_UNET_DATA"):
        load_sample("isbi2012")
    assert not nowhere.exists()


def test_offline_one_sentence(nowhere):
    with pytest.raises(UserError, match=r"could not be downloaded .* check the connection") as caught:
        load_sample("isbi2012", download=True)
    assert "\n" not in str(caught.value)
    assert not [p for p in nowhere.rglob("*") if p.is_file()]


def test_wrong_hash_is_refused_and_not_kept(nowhere, monkeypatch):
    class Server:
        def __call__(self, _url, output, _pooch):
            Path(output).write_bytes(b"something else")

    monkeypatch.setattr("pooch.core.choose_downloader", lambda *_args, **_options: Server())
    with pytest.raises(UserError, match=r"could not be downloaded .*hash"):
        load_sample("isbi2012", download=True)
    assert not [p for p in nowhere.rglob("*") if p.is_file()]


def test_damaged_cache_is_refused_offline(nowhere):
    for name in isbi.registry():
        (nowhere / name).parent.mkdir(parents=True, exist_ok=True)
        (nowhere / name).write_bytes(b"damaged")
    with pytest.raises(UserError, match="is damaged"):
        load_sample("isbi2012")


def test_data_folder_comes_first(nowhere, monkeypatch, tmp_path):
    folder = tmp_path / "my data" / "isbi2012"
    folder.mkdir(parents=True)
    tifffile.imwrite(folder / "train-volume.tif", np.full((5, 20, 20), 9, np.uint8))
    tifffile.imwrite(folder / "train-labels.tif", np.tile(np.uint8([0, 255]), (5, 20, 10)))
    monkeypatch.setenv(isbi.VARIABLE, str(tmp_path / "my data"))
    data = load_sample("isbi2012")
    assert (data.axes, data.spacing, data.sample.style) == ("ZYX", (0.05, 0.004, 0.004), "classes")
    assert (data.image == 9).all()
    np.testing.assert_array_equal(data.labels[0, 0, :4], [2, 1, 2, 1])


@pytest.mark.skipif(
    isbi.VARIABLE not in os.environ, reason="needs NAPARI_UNET_DATA with isbi2012/train-volume.tif"
)
def test_the_real_volume_when_it_is_here():
    data = load_sample("isbi2012")
    assert data.image.shape[1:] == (512, 512)
    assert data.image[data.labels == 1].mean() > data.image[data.labels == 2].mean() + 30
