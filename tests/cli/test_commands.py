"""The short commands: info, nets, doctor, demo; and which of them load torch."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from cli_tools import run
from napari_unet.learn.precision import has_bfloat16
from napari_unet.nets import NETS


def test_info_is_json(loop):
    folder, _ = loop
    facts = json.loads(run("info", folder / "model.safetensors").stdout)
    assert facts["classes"] == ["cell", "boundary", "background"]
    assert facts["network"]["depth"] == 2


def test_nets_lists_every_network_in_a_line():
    lines = run("nets").stdout.splitlines()
    assert [line.split()[0] for line in lines][:2] == ["unet", "unet3d"]
    assert all("parameters" in line and "pixels" in line for line in lines)


def test_nets_lists_every_network_with_its_facts():
    lines = run("nets").stdout.splitlines()
    found = {line.split()[0]: line for line in lines}
    assert set(found) == set(NETS)
    assert "31,030,658 parameters" in found["unet2015"]
    assert "sees 103 pixels, exact halo  48" in found["unet"]
    assert "exact halo  92" in found["unet2015"]


def test_doctor_tells_programs_an_object_a_line():
    result = run("doctor", "--json")
    assert result.exit_code == 0
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(set(finding) == {"what", "found", "cure", "broken"} for finding in found)
    assert {"versions", "memory", "GPU", "self-test on cpu"} <= {finding["what"] for finding in found}


def test_doctor_finds_the_cpu_right():
    result = run("doctor")
    assert result.exit_code == 0
    assert "self-test on cpu: 2D and 3D convolutions are right" in result.stdout
    assert ("processor: trains the default network in half precision" in result.stdout) == has_bfloat16()


@pytest.mark.parametrize("command", [["--help"], ["train", "--help"], ["score", "a.tif", "b.tif"]])
def test_torch_is_not_loaded_where_it_is_not_needed(tmp_path, command):
    tifffile.imwrite(tmp_path / "a.tif", np.eye(20, dtype=np.uint16))
    tifffile.imwrite(tmp_path / "b.tif", np.eye(20, dtype=np.uint16))
    code = (
        "import sys\nfrom napari_unet.cli import main\n"
        f"try:\n    main({command!r})\nexcept SystemExit as end:\n    assert end.code in (0, None), end.code\n"
        "loaded = {'torch', 'napari'} & set(sys.modules)\nassert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)


def test_demo_leaves_pictures_scores_and_models(tmp_path):
    result = run("demo", "--steps", "6", "--threads", "1", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert set(scores) == {"nuclei-2", "nuclei-6", "epithelium"}
    assert {p.name for p in (tmp_path / "out").glob("*.png")} == {f"{n}.png" for n in scores}
    assert {p.name for p in (tmp_path / "out").glob("*.safetensors")} >= {
        "nuclei.safetensors",
        "epithelium.safetensors",
    }
    assert "AP50" in result.stdout
    assert "demo: 8%, step 1, " in result.stderr  # of 12 steps in all
    for name in ("nuclei", "epithelium"):  # steps, not time: a slow machine must not get a worse model
        facts = json.loads(run("info", tmp_path / "out" / f"{name}.safetensors").stdout)
        assert (facts["steps"], facts["training"]["train"]["seconds"]) == (6, None)
