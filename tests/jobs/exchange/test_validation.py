"""What others make of our packages: bioimageio.spec validates them, bioimageio.core runs them.

Both need an older pydantic than this project, so they live in an environment of their own, which is made once and
kept in the cache folder of the person who runs the tests.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pooch
import pytest
from filelock import FileLock

import napari_unet as nu
from exchange_tools import model_of
from napari_unet.jobs.exchange import export_model
from napari_unet.learn.start import shipped
from napari_unet.spec import UNet3DSpec, UNet2015Spec
from napari_unet.storage.bioimageio.card import Card

WANTED = ["bioimageio.core==0.11.0", "bioimageio.spec==0.5.12.0", "pydantic<2.13", "onnxruntime>=1.20"]
MOST_SECONDS = 240


@pytest.fixture(scope="session")
def others():
    """Python of an environment with bioimageio.core; the tests are skipped where its packages cannot be had."""
    folder = Path(pooch.os_cache("napari-unet-live-tests")) / f"bioimageio-{sys.version_info.minor}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    made = folder / "made-of.json"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock", timeout=2 * MOST_SECONDS):
        if not (made.is_file() and json.loads(made.read_text()) == WANTED):
            try:
                run = {"check": True, "capture_output": True, "text": True, "timeout": MOST_SECONDS}
                subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], **run)
                subprocess.run([str(python), "-m", "pip", "install", "--quiet", *WANTED], **run)
            except subprocess.TimeoutExpired:
                pytest.skip(f"bioimageio.core was not installed in {MOST_SECONDS} s")
            except subprocess.CalledProcessError as error:
                pytest.skip(f"bioimageio.core cannot be installed here: {error.stderr.strip().splitlines()[-1:]}")
            made.write_text(json.dumps(WANTED))
    return python


def validated(python, package, formats):
    import torch

    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL"))}
    environment["TORCH_AT"] = str(Path(torch.__file__).parents[1]) if set(formats) - {"onnx"} else ""
    script = str(Path(__file__).with_name("validate.py"))
    done = subprocess.run(
        [str(python), script, str(package), *formats], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


CARD = Card("Nuclei_a+b-c (DAPI) 5", "Cells.", ("Ada", "Bo Ö."), "CC-BY-4.0")
"""With all that its checks let through."""
ALL = ["onnx", "pytorch_state_dict", "torchscript"]


@pytest.mark.parametrize(
    ("make", "formats"),
    [
        (lambda: nu.Model(shipped()), ALL),
        (lambda: model_of(UNet2015Spec(base=4, depth=2), "percentile"), ["pytorch_state_dict"]),
        (lambda: model_of(UNet3DSpec(base=4, depth=1)), ["pytorch_state_dict"]),
    ],
    ids=["shipped", "valid", "3d"],
)
def test_others_validate_and_run_a_package(make, formats, others, tmp_path):
    path = tmp_path / "a.zip"
    wanted = [f for f in formats if f != "pytorch_state_dict"]
    export_model(make(), path, weights=wanted, card=CARD)
    found = validated(others, path, formats)
    assert (found["errors"], found["status"]) == ([], "valid-format")
    assert found["own"] == []  # without this package
    for name in formats:
        result = found["formats"][name]
        assert (name, result["status"], result["errors"]) == (name, "passed", [])
        assert result["deviation"] < 1e-4


def test_they_notice_a_wrong_test_output(others, tmp_path):
    """The test above can fail."""
    from exchange_tools import changed

    path = tmp_path / "a.zip"
    export_model(model_of(), path)

    def change(told, files):
        files["weights.pt"] = b"no weights"

    assert validated(others, changed(path, change), [])["errors"]
