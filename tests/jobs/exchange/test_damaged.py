"""Packages and weights that are damaged, or packed to fill the memory: a sentence says so, never a traceback."""

import io
import zipfile

import numpy as np
import pytest
import torch

from exchange_tools import model_of, packed, unpacked
from napari_unet.errors import UserError
from napari_unet.jobs.exchange import export_model, import_package, import_weights
from napari_unet.jobs.exchange.tensors import read_tensors
from napari_unet.learn.converting import to_state_dict
from napari_unet.learn.foreign import convert_trusted
from napari_unet.storage.bioimageio import archive, consent, description
from napari_unet.storage.bioimageio.archive import is_package, read_array
from napari_unet.storage.bioimageio.card import Card
from napari_unet.storage.bioimageio.description import Step
from napari_unet.storage.bioimageio.processing import read_steps


@pytest.fixture
def package(tmp_path):
    path = tmp_path / "a.zip"
    export_model(model_of(), path)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_pack_anything_into_nothing_are_refused(package, method):
    with zipfile.ZipFile(package, "a", method) as file:
        file.writestr("zeros", b"\0" * 10**6)
    with pytest.raises(UserError, match=r"'zeros' is packed with the method \d+; only files that are stored"):
        import_package(package)


def repacked(content, method, more):
    """The weights with another packing, and one more record."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", method) as new:
        for i in old.infolist():
            new.writestr(i.filename, old.read(i))
        new.writestr("archive/data/99", more)
    return out.getvalue()


def test_bombs_in_weights_are_refused(tmp_path):
    content = to_state_dict(torch.nn.Conv2d(1, 1, 3))
    (tmp_path / "w.pt").write_bytes(repacked(content, zipfile.ZIP_DEFLATED, b"\0" * (archive.SMALL + 1)))
    with pytest.raises(UserError, match=r"w\.pt is refused: 'archive/data/99' unpacks .* as only a trap does"):
        import_weights(tmp_path / "w.pt", "milesial")
    with pytest.raises(UserError, match="packed with the method 14"):
        read_tensors(repacked(content, zipfile.ZIP_LZMA, b""), "w.pt")


def test_weights_that_repeat_one_number_without_end_are_refused():
    out = io.BytesIO()
    torch.save({"a": torch.zeros(1).expand(10**6, 10**6)}, out)
    with pytest.raises(UserError, match="claims to hold more weights than it does"):
        read_tensors(out.getvalue(), "w.pt")


def test_flipped_bits_in_weights_are_told():
    """Whatever the reader makes of it: either weights, or one sentence."""
    content = to_state_dict(torch.nn.Conv2d(1, 1, 3))
    random, refused = np.random.default_rng(0), 0
    for _ in range(300):
        damaged = bytearray(content)
        for at in random.integers(0, len(content), 4):
            damaged[at] ^= 1 << int(random.integers(8))
        try:
            read_tensors(bytes(damaged), "w.pt")
        except UserError:
            refused += 1
    assert refused > 20


def test_descriptions_that_repeat_themselves_are_refused(package):
    _, files = unpacked(package)
    lines = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(UserError, match="its description repeats parts of itself 99 times"):
        import_package(packed(package, "\n".join(lines), files))
    told = "a: &a 1\nb: *a\nformat_version: 0.3.0"  # a few are fine
    with pytest.raises(UserError, match=r"has the format '0\.3\.0'"):
        import_package(packed(package, told, files))


@pytest.mark.parametrize("value", ["!!timestamp abc", "!!int ''", "!!bool maybe", "!!float x", "{[1]: 2}"])
def test_values_that_the_reader_stumbles_over_are_told(package, value):
    _, files = unpacked(package)
    with pytest.raises(UserError, match="cannot be read"):
        import_package(packed(package, f"a: {value}", files))


def test_messages_do_not_repeat_all_of_a_step():
    steps = [Step(id="scale_linear", kwargs={"gain": ["x" * 1000] * 1000})]
    with pytest.raises(UserError, match="cannot be read") as told:
        read_steps(steps, ["y", "x"], 1)
    assert len(str(told.value)) < 700


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"mean": 1.0, "std": 0.0}, "cannot be read .*division by zero"),
        ({"mean": [], "std": []}, "cannot be read"),
        ({"mean": 1.0, "std": float("nan")}, r"the numbers \(nan,\), which make no sense"),
        ({"mean": [1.0, 2.0], "std": [1.0, 2.0]}, r"make no sense for 1 channel"),
    ],
)
def test_numbers_that_make_no_sense_are_told(kwargs, match):
    with pytest.raises(UserError, match=match):
        read_steps([Step(id="fixed_zero_mean_unit_variance", kwargs=kwargs)], ["y", "x"], 1)


def test_damage_of_a_packed_file_is_told(package):
    content = bytearray(package.read_bytes())
    at = content.find(b"test_input.npy", content.find(b"cover.png")) + len(b"test_input.npy")
    content[at : at + 40] = b"\xff" * 40
    package.write_bytes(bytes(content))
    with pytest.raises(UserError, match=r"'test_input\.npy' in .* is damaged \(Error -3"):
        archive.open_files(package).read("test_input.npy")


def npy(header, data=b""):
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (
            npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 10000000, 10000000)}"),
            "claims to hold",
        ),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4)}"), "claims to hold -1 x 4"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", b"\0" * 4), "claims to hold 2"),
        (npy("{'descr': '<f4', 'fortran_order': (((("), "no plain numpy array"),
        (npy("{'descr': '<f4', \"\"\"'fortran_order'"), "no plain numpy array"),
        (npy("{'descr': 'hello', 'fortran_order': False, 'shape': ()}"), "no plain numpy array"),
        (b"", "no plain numpy array"),
    ],
)
def test_arrays_that_claim_too_much_are_refused_before_memory_is_taken(content, match):
    with pytest.raises(UserError, match=match):
        read_array(content, "a.npy")


def test_several_arrays_in_one_file_are_no_array():
    out = io.BytesIO()
    np.savez_compressed(out, a=np.zeros(4))
    with pytest.raises(UserError, match="no plain numpy array"):
        read_array(out.getvalue(), "a.npz")
    out = io.BytesIO()
    np.save(out, np.asfortranarray(np.arange(6).reshape(2, 3)))
    np.testing.assert_array_equal(read_array(out.getvalue(), "a.npy"), [[0, 1, 2], [3, 4, 5]])


class Choosy(torch.nn.Module):
    def forward(self, x):
        raise ZeroDivisionError("not today")


class Odd(torch.nn.Module):
    def forward(self, x):
        return torch.special.bessel_j0(x)


@pytest.mark.parametrize(("network", "match"), [(Choosy(), "ZeroDivisionError: not today"), (Odd(), "bessel_j0")])
def test_a_trusted_network_that_does_not_become_a_graph_is_told(network, match):
    pytest.importorskip("onnx")
    with pytest.raises(UserError, match=f"cannot be converted to ONNX: .*{match}"):
        convert_trusted(network, torch.zeros(1, 1, 8, 8), ["y", "x"])


def test_a_folder_is_a_package_and_so_is_yaml_in_capitals(package, tmp_path):
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(package) as file:
        file.extractall(folder)
    assert is_package(folder)
    assert import_package(folder).spec.net.base == 4
    (folder / "bioimageio.yaml").rename(folder / "rdf.YAML")
    assert is_package(folder / "rdf.YAML")
    assert import_package(folder / "rdf.YAML").spec.net.base == 4
    assert not is_package(tmp_path)
    with pytest.raises(UserError, match=r"folder .* is no package of BioImage\.IO: it holds no bioimageio\.yaml"):
        import_package(tmp_path)


def test_long_descriptions_and_sources_are_not_read(package, monkeypatch, tmp_path):
    def code():
        files = archive.open_files(package)
        return consent.code_of(description.read_description(files), files)

    assert code() is not None
    monkeypatch.setattr(consent, "LONGEST", 100)
    with pytest.raises(UserError, match=r"its file 'architecture\.py' has .*, more than 100 bytes"):
        code()
    monkeypatch.setattr(description, "LONGEST", 100)
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("it was read"))
    with pytest.raises(UserError, match=r"its file 'bioimageio\.yaml' has .*, more than 100 bytes"):
        import_package(package)
    (tmp_path / "rdf.yaml").write_bytes(b"a" * 101)
    with pytest.raises(UserError, match=r"its file 'rdf\.yaml' has 101 bytes, more than 100 bytes"):
        import_package(tmp_path / "rdf.yaml")


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"name": "Mine"}, "has 4 characters: BioImage.IO takes from 5 to 128"),
        ({"name": "Zellkerne, größer"}, "has , ß ö in it"),
        ({"name": "a" * 129}, "has 129 characters"),
        ({"description": "a" * 1025}, "up to 1024"),
        ({"authors": ("Ada", "Bo/Cy")}, "'Bo/Cy' cannot be an author .* without slashes"),
        ({"authors": ("",)}, "'' cannot be an author"),
        ({"licence": "CC BY 4.0"}, "'CC BY 4.0' is the name of no licence: give its SPDX name, such as CC-BY-4.0"),
        ({"licence": "MIT OR Apache-2.0"}, "is the name of no licence"),
        ({"licence": "cc-by-4.0"}, "the licence 'cc-by-4.0' is written 'CC-BY-4.0'"),
    ],
)
def test_what_bioimageio_does_not_take_is_told(fields, match):
    with pytest.raises(UserError, match=match):
        Card(**fields)
