"""Packages and weights that mean harm: nothing of them runs, nothing is written, and a sentence says why."""

import hashlib
import io
import os
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from exchange_tools import changed, model_of, packed, unpacked
from napari_unet.errors import UserError
from napari_unet.jobs.exchange import export_model, import_package, import_weights
from napari_unet.storage.bioimageio import archive


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return (os.mkdir, (self.marker,))


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "marker"


@pytest.fixture
def package(tmp_path):
    path = tmp_path / "a.zip"
    export_model(model_of(), path)
    return path


def without_hashes(part):
    """Forget the SHA-256 of files, so that changed ones get as far as they can."""
    if isinstance(part, dict):
        return {k: without_hashes(v) for k, v in part.items() if k != "sha256"}
    return [without_hashes(p) for p in part] if isinstance(part, list) else part


def others(told):
    """Make it a stranger's package."""
    told.update(without_hashes(told))
    told["config"] = {}


def test_a_pickle_in_weights_is_not_run(package, marker, tmp_path):
    out = io.BytesIO()
    torch.save({"a": Evil(marker)}, out)
    (tmp_path / "w.pt").write_bytes(out.getvalue())
    with pytest.raises(UserError, match="holds more than weights"):
        import_weights(tmp_path / "w.pt", "milesial")

    def change(told, files):
        others(told)
        files["weights.pt"] = out.getvalue()

    with pytest.raises(UserError, match="holds more than weights"):
        import_package(changed(package, change))
    assert not marker.exists()


EVIL = """
import os
os.mkdir({marker!r})
from torch import nn
class Net(nn.Conv2d):
    def __init__(self):
        super().__init__(1, 1, 1)
    def forward(self, x):
        return super().forward(x).sigmoid()
"""


@pytest.fixture
def with_code(package, marker, tmp_path):
    """A stranger's package, whose network is a single layer that only its code knows."""
    network = torch.nn.Conv2d(1, 1, 1).eval()
    out = io.BytesIO()
    torch.save(network.state_dict(), out)
    code = EVIL.format(marker=str(marker)).encode()

    def change(told, files):
        others(told)
        told["weights"]["pytorch_state_dict"]["architecture"] = {"source": "architecture.py", "callable": "Net"}
        told["outputs"][0]["axes"][1]["channel_names"] = ["cell"]
        x = np.load(io.BytesIO(files["test_input.npy"]))
        seen = torch.from_numpy(((x - x.mean()) / x.std()).astype(np.float32))
        with torch.inference_mode():
            output = io.BytesIO()
            np.save(output, network(seen).sigmoid().numpy())
        files.update({"weights.pt": out.getvalue(), "architecture.py": code, "test_output.npy": output.getvalue()})

    return changed(package, change), hashlib.sha256(code).hexdigest()


def test_code_runs_only_with_consent_to_this_very_code(with_code, marker, tmp_path):
    path, sha = with_code
    with pytest.raises(UserError, match=rf"holds code, 'architecture.py', .* --trust-code {sha}"):
        import_package(path)
    with pytest.raises(UserError, match="--trust-code"):
        import_package(path, trust=["0" * 64])
    assert not marker.exists()
    model = import_package(path, trust=[sha.upper()])
    assert marker.exists()
    marker.rmdir()
    model.save(tmp_path / "m.safetensors")
    import napari_unet as nu

    again = nu.load(tmp_path / "m.safetensors")  # an ONNX graph, without any code
    image = np.random.default_rng(0).integers(0, 255, (30, 40), dtype=np.uint8)
    np.testing.assert_array_equal(again.predict(image), model.predict(image))
    assert not marker.exists()


def test_torchscript_alone_is_refused(with_code):
    path, _ = with_code

    def change(told, files):
        told["weights"] = {"torchscript": {"source": "weights.pt"}}

    with pytest.raises(UserError, match=r"it holds torchscript; .* TorchScript is code that nobody can read"):
        import_package(changed(path, change))


@pytest.mark.parametrize(
    "name", ["../x.txt", "/etc/x.txt", "a/../../x.txt", "C:/x.txt", "a\\..\\x.txt", "\\\\host\\x"]
)
def test_names_outside_of_the_package_are_refused(package, name, tmp_path):
    before = {p.name for p in tmp_path.iterdir()}
    told, files = unpacked(package)
    with pytest.raises(UserError, match="is not within it"):
        import_package(packed(package, told, {**files, name: b"x"}))
    told["inputs"][0]["test_tensor"] = {"source": name}
    with pytest.raises(UserError, match="is not within it"):
        import_package(packed(package, told, files))
    assert {p.name for p in tmp_path.iterdir()} == before


def test_a_name_in_the_description_alone_is_refused_even_if_nobody_reads_it(package):
    def change(told, files):
        told["weights"]["onnx"] = {"source": "../../secret.onnx", "opset_version": 17}

    with pytest.raises(UserError, match=r"'../../secret\.onnx', which is not within it"):
        import_package(changed(package, change))


def test_links_are_refused(package, tmp_path):
    with zipfile.ZipFile(package, "a") as file:
        link = zipfile.ZipInfo("link.npy")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
    with pytest.raises(UserError, match=r"'link\.npy' is a link"):
        import_package(package)


def test_links_in_a_folder_are_refused(package, tmp_path):
    folder = tmp_path / "folder"
    with zipfile.ZipFile(package) as file:
        file.extractall(folder)
    (tmp_path / "elsewhere.npy").write_bytes((folder / "test_input.npy").read_bytes())
    assert import_package(folder / "bioimageio.yaml").spec.net.base == 4
    (folder / "test_input.npy").unlink()
    (folder / "test_input.npy").symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(UserError, match=r"is a link to .*elsewhere\.npy, outside of the package"):
        import_package(folder / "bioimageio.yaml")


def test_bombs_are_refused(package, monkeypatch):
    told, files = unpacked(package)
    bomb = packed(package, told, {**files, "zeros": b"\0" * (archive.SMALL + 1)})
    with pytest.raises(UserError, match=r"'zeros' unpacks .* as only a trap does"):
        import_package(bomb)
    packed(package, told, {**files, **{f"{n}": b"" for n in range(archive.MOST_FILES)}})
    with pytest.raises(UserError, match="more than 1000"):
        import_package(package)
    packed(package, told, files)
    monkeypatch.setattr(archive, "MOST_BYTES", 1000)
    with pytest.raises(UserError, match="more than 1"):
        import_package(package)


def test_a_size_that_is_a_lie_gives_no_more_than_it_says(package):
    """The directory says 10 bytes, the file unpacks to a million: zipfile stops, and finds the wrong checksum."""
    told, files = unpacked(package)
    packed(package, told, {**files, "test_input.npy": b"\0" * 10**6})
    content = bytearray(package.read_bytes())
    at = content.rfind(b"test_input.npy") - 46
    content[at + 24 : at + 28] = (10).to_bytes(4, "little")
    package.write_bytes(bytes(content))
    with pytest.raises(UserError, match=r"'test_input\.npy' in .* is damaged"):
        import_package(package)


def test_python_tags_in_the_description_are_not_obeyed(package, marker):
    _, files = unpacked(package)
    evil = f"type: model\nname: !!python/object/apply:os.mkdir ['{marker}']\n"
    with pytest.raises(UserError, match="cannot be read: could not determine a constructor"):
        import_package(packed(package, evil, files))
    assert not marker.exists()


def test_arrays_of_objects_are_not_unpickled(package, marker):
    out = io.BytesIO()
    np.save(out, np.array([Evil(marker)], dtype=object), allow_pickle=True)

    def change(told, files):
        others(told)
        files["test_input.npy"] = out.getvalue()

    with pytest.raises(UserError, match=r"'test_input\.npy' is refused: it is no plain numpy array"):
        import_package(changed(package, change))
    assert not marker.exists()


@pytest.mark.parametrize(
    ("told", "match"),
    [
        ("- a", "describes nothing"),
        ("type: model\nformat_version: 0.3.0", "has the format '0.3.0'"),
        ("type: model\nformat_version: 0.5.4\nname: a", "describes no model that can be read: inputs"),
        ("type: model\nformat_version: 0.4.9\nname: a", "describes no model that can be read"),
        ("a: " + "[" * 5000, "cannot be read"),
    ],
)
def test_descriptions_that_make_no_sense_are_refused(package, told, match):
    _, files = unpacked(package)
    with pytest.raises(UserError, match=match):
        import_package(packed(package, told, files))


def test_what_is_no_package_is_told(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK no zip")
    with pytest.raises(UserError, match="is no zip file, or damaged"):
        import_package(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as file:
        file.writestr("a.txt", "a")
    with pytest.raises(UserError, match=r"holds no bioimageio\.yaml and no rdf\.yaml"):
        import_package(tmp_path / "b.zip")
    with pytest.raises(UserError, match="there is no package"):
        import_package(Path("none.zip"))
