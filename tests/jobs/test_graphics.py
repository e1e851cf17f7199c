"""Which finding there is for which card, driver and build of torch."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest

from napari_unet.jobs import doctor, graphics
from napari_unet.jobs.builds import build_for
from napari_unet.jobs.doctor import look_at_disk
from napari_unet.jobs.graphics import (
    Driver,
    System,
    Torch,
    ask_driver,
    cure_of,
    look_at_graphics,
    read_driver,
)

LINUX = System("Linux", "x86_64", None)
T4 = Driver(("NVIDIA T4",), "535.104.05", (12, 2))
GTX_1080 = Driver(("NVIDIA GeForce GTX 1080",), "580.95.05", (13, 0), capabilities=((6, 1),))
CPU = Torch("2.13.0+cpu")
CUDA13 = Torch("2.13.0", (13, 0))

REPORT = """
==============NVSMI LOG==============
Timestamp                                              : Mon Mar  3 10:00:00 2025
Driver Version                                         : 570.86.15
CUDA Version                                           : 12.8

Attached GPUs                                          : 2
GPU 00000000:17:00.0
    Product Name                                       : NVIDIA RTX A4000
    Product Brand                                      : NVIDIA RTX
    VBIOS Version                                      : 94.04.57.00.09
GPU 00000000:65:00.0
    Product Name                                       : NVIDIA RTX A4000
"""


def test_the_report_of_a_driver_is_read() -> None:
    assert read_driver(REPORT) == Driver(("NVIDIA RTX A4000",) * 2, "570.86.15", (12, 8))


def test_a_report_without_cards_is_read_as_such() -> None:
    assert read_driver("Driver Version : 570\nAttached GPUs : 0") == Driver(version="570")


def test_a_build_for_the_processor_beside_a_card_is_found_with_the_command_that_helps() -> None:
    found = look_at_graphics(T4, CPU, LINUX)
    assert "NVIDIA T4, not used" in found.found
    assert "built for the processor only" in found.found
    assert "-m pip uninstall -y torch" in found.cure
    assert "-m pip install torch --index-url https://download.pytorch.org/whl/cu126" in found.cure


def test_a_card_that_is_full_is_told_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr("torch.cuda.mem_get_info", full)
    found = look_at_graphics(T4, Torch("2.13.0", (12, 6), cuda_works=True), LINUX)
    assert "it fails (CUDA error: out of memory)" in found.found
    assert "close other programs that use the GPU" in found.cure


def test_a_driver_that_is_too_old_for_the_build_is_found() -> None:
    found = look_at_graphics(T4, CUDA13, LINUX)
    assert "built for CUDA 13.0" in found.found
    assert "runs CUDA up to 12.2" in found.found
    assert found.cure.startswith("update the driver")
    assert "/whl/cu126" in found.cure


def test_a_driver_that_is_too_old_for_any_build_is_to_be_updated() -> None:
    for torch in (CPU, CUDA13):
        found = look_at_graphics(Driver(("NVIDIA K80",), "470.1", (11, 4)), torch, LINUX)
        assert found.cure.startswith("update the driver")
        assert "pip" not in found.cure


def test_a_hidden_card_is_found() -> None:
    found = look_at_graphics(T4, Torch("2.9.0", (12, 6)), System("Linux", "x86_64", ""))
    assert "CUDA_VISIBLE_DEVICES is ''" in found.found


def test_a_card_that_fails_without_a_reason_is_found() -> None:
    found = look_at_graphics(T4, Torch("2.9.0", (12, 6)), LINUX)
    assert "although" in found.found
    assert "restart" in found.cure


def test_a_driver_that_does_not_answer_is_found() -> None:
    found = look_at_graphics(Driver(complaint="NVIDIA-SMI has failed because"), CUDA13, LINUX)
    assert "NVIDIA-SMI has failed because" in found.found
    assert "restart" in found.cure


def test_machines_without_a_card_are_well() -> None:
    assert look_at_graphics(None, CPU, LINUX).good
    assert look_at_graphics(None, CUDA13, LINUX).good


def test_apples_gpu_is_used_or_wants_a_newer_system() -> None:
    mac = System("Darwin", "arm64", None)
    assert "MPS" in look_at_graphics(None, Torch("2.13.0", mps_works=True), mac).found
    assert "macOS" in look_at_graphics(None, Torch("2.13.0"), mac).cure


@pytest.mark.parametrize(("cuda", "build"), [((13, 0), "cu130"), ((12, 9), "cu128"), ((12, 0), "cu126")])
def test_a_build_is_one_that_the_driver_runs(cuda: tuple[int, int], build: str) -> None:
    assert build_for(cuda) == build


@pytest.mark.parametrize(
    ("cards", "build"),
    [
        ([(6, 1)], "cu126"),
        ([(7, 0)], "cu126"),
        ([(7, 5)], "cu130"),
        ([(12, 0)], "cu130"),
        ([(8, 6), (6, 1)], "cu126"),
        ([(12, 0), (6, 1)], "cu130"),
    ],
)
def test_a_build_has_kernels_for_the_cards(cards: list[tuple[int, int]], build: str) -> None:
    assert build_for((13, 0), cards) == build


def test_a_build_for_an_unknown_driver_has_kernels_for_a_new_card() -> None:
    assert build_for(None, [(12, 0)]) == "cu128"


def test_an_old_card_with_a_new_driver_gets_an_older_build() -> None:
    assert "/whl/cu126" in look_at_graphics(GTX_1080, CPU, LINUX).cure


def test_a_newer_driver_is_no_cure_where_the_newer_build_has_no_kernels() -> None:
    found = look_at_graphics(dataclasses.replace(GTX_1080, cuda=(12, 8)), CUDA13, LINUX)
    assert "/whl/cu126" in found.cure
    assert "update the driver" not in found.cure


def test_a_build_without_kernels_for_the_card_is_found_with_the_command_that_helps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")

    monkeypatch.setattr("torch.Tensor.to", fail)
    found = doctor._self_test("cuda", GTX_1080)
    assert "a 2D convolution fails (CUDA error: no kernel image" in found.found
    assert "no kernels for compute capability 6.1" in found.cure
    assert "-m pip install torch --index-url https://download.pytorch.org/whl/cu126" in found.cure


@pytest.mark.parametrize("driver", [None, Driver(), Driver(cuda=(13, 0), capabilities=((12, 0), (6, 1)))])
def test_without_a_build_for_all_cards_old_ones_are_told_of(driver: Driver | None) -> None:
    cure = cure_of("no kernel image is available", driver)
    assert "another build of torch" in cure
    assert "cu126 if its compute capability is below 7.5" in cure
    assert "or use the device cpu" in cure


def program(folder: Path, text: str) -> Path:
    """A program that stands in for nvidia-smi."""
    made = folder / "nvidia-smi"
    made.write_text(f"#!/bin/sh\n{text}\n")
    made.chmod(0o755)
    return made


def test_the_driver_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphics.shutil, "which", lambda _: str(program(tmp_path, f"cat <<END\n{REPORT}\nEND")))
    assert ask_driver() == read_driver(REPORT)
    monkeypatch.setattr(graphics.shutil, "which", lambda _: str(program(tmp_path, "echo broken; exit 9")))
    assert ask_driver() == Driver(complaint="broken")
    monkeypatch.setattr(graphics.shutil, "which", lambda _: None)
    assert ask_driver() is None


def test_the_driver_is_asked_for_the_capabilities_of_its_cards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = f'if [ "$1" = -q ]; then cat <<END\n{REPORT}\nEND\nelse {{}}; fi'
    monkeypatch.setattr(graphics.shutil, "which", lambda _: str(tmp_path / "nvidia-smi"))
    program(tmp_path, told.format("printf '8.6\\n12.0\\n'"))
    assert ask_driver() == dataclasses.replace(read_driver(REPORT), capabilities=((8, 6), (12, 0)))
    program(tmp_path, told.format("echo 'Field \"compute_cap\" is not a valid field to query.'; exit 2"))
    assert ask_driver() == read_driver(REPORT)


def test_a_driver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*args: object, timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired("nvidia-smi", timeout)

    monkeypatch.setattr(graphics.shutil, "which", lambda _: "nvidia-smi")
    monkeypatch.setattr(graphics.subprocess, "run", hang)
    found = ask_driver()
    assert found is not None
    assert "timed out" in found.complaint


def test_a_folder_that_cannot_be_written_to_is_found(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = look_at_disk(tmp_path / "file" / "cache", "trainings")
    assert "cannot be written to" in found.found
    assert found.cure
    assert look_at_disk(tmp_path / "new", "trainings").found.endswith(str(tmp_path / "new"))
    assert list((tmp_path / "new").iterdir()) == []
