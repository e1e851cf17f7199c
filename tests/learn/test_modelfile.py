import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import save_file

import napari_unet as nu
import synthetic
from napari_unet.learn import modelfile


@pytest.fixture
def saved(trained_2d, tmp_path):
    path = tmp_path / "mod èl.safetensors"
    trained_2d.save(path)
    return path


def test_reloads_to_identical_output(trained_2d, saved):
    image = synthetic.tissue((50, 60), 20)[0]
    again = nu.load(saved)
    np.testing.assert_array_equal(again.predict(image), trained_2d.predict(image))
    assert again.spec == trained_2d.spec
    assert [c.name for c in again.classes] == ["cell", "boundary"]
    assert again.describe()["steps"] == 60
    assert len(again.trained.history) == again.spec.train.checks


def test_a_flipped_bit_is_noticed(saved):
    content = bytearray(saved.read_bytes())
    content[-100] ^= 1
    saved.write_bytes(content)
    with pytest.raises(nu.UserError, match="SHA-256 does not match"):
        nu.load(saved)


@pytest.mark.parametrize("length", [0, 5, 5000])
def test_a_truncated_file_is_refused(saved, length):
    saved.write_bytes(saved.read_bytes()[:length])
    with pytest.raises(nu.UserError, match="damaged or no model file"):
        nu.load(saved)


def test_a_newer_format_is_refused(saved):
    with safe_open(saved, "pt") as file:
        facts = json.loads(file.metadata()[modelfile.KEY])
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    facts["format"] = modelfile.FORMAT + 1
    facts["versions"]["napari-unet-live"] = "9.9"
    save_file(tensors, saved, metadata={modelfile.KEY: json.dumps(facts)})
    with pytest.raises(nu.UserError, match=r"written by napari-unet-live 9\.9"):
        nu.load(saved)


def test_foreign_and_missing_files_are_refused(tmp_path, trained_2d):
    foreign = tmp_path / "foreign.safetensors"
    save_file(trained_2d.trained.network.state_dict(), foreign)
    with pytest.raises(nu.UserError, match="not written by napari-unet"):
        nu.load(foreign)
    with pytest.raises(nu.UserError, match="there is no model file"):
        nu.load(tmp_path / "none.safetensors")


def test_a_full_disk_leaves_the_old_file(trained_2d, saved, monkeypatch):
    before = saved.read_bytes()

    def full(tensors, path, metadata):
        path.write_bytes(b"half a fi")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(modelfile, "save_file", full)
    with pytest.raises(nu.UserError, match="No space left on device; what was there before is untouched"):
        trained_2d.save(saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_no_pickle_in_the_file(saved):
    assert b"pickle" not in saved.read_bytes()
    assert b"__reduce__" not in saved.read_bytes()


def test_a_damaged_description_is_refused(saved):
    content = saved.read_bytes()
    length = int.from_bytes(content[:8], "little")
    rng = np.random.default_rng(0)
    for place in rng.integers(8, 8 + length, 40):
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(7))
        saved.write_bytes(changed)
        with pytest.raises(nu.UserError):
            nu.load(saved)


def test_a_description_that_claims_a_huge_network_costs_no_memory(saved):
    tensors, facts = modelfile.read_tensors(saved)
    facts["spec"]["net"]["base"] = 4096
    modelfile.write_tensors(saved, tensors, facts)
    with pytest.raises(nu.UserError, match="weights do not fit"):
        nu.load(saved)
