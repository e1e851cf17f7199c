"""A model that the command line has trained for a moment."""

import pytest
import tifffile

from cli_tools import SHORT, run
from napari_unet.storage.samples import load_sample


@pytest.fixture(scope="session")
def loop(tmp_path_factory):
    """Image and label files and a model trained on them for a moment."""
    folder = tmp_path_factory.mktemp("loop ünd space")
    data = load_sample("nuclei-2")
    tifffile.imwrite(folder / "image.tif", data.image)
    tifffile.imwrite(folder / "labels.tif", data.labels)
    result = run("train", folder / "image.tif", folder / "labels.tif", "-o", folder / "model.safetensors", *SHORT)
    assert result.exit_code == 0, result.output
    return folder, result
