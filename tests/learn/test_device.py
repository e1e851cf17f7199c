"""Which devices are used; all of them pretended."""

from types import SimpleNamespace

import pytest
import torch

from napari_unet.learn import device as devices
from napari_unet.learn.device import choose_devices
from napari_unet.learn.memory import free_bytes


@pytest.fixture
def three_gpus(monkeypatch):
    working = {"cuda": True, "cuda:0": True, "cuda:1": True, "cuda:2": True}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(devices, "_works", working.__getitem__)
    return working


def test_a_gpu_that_fails_its_self_test_is_left_out(three_gpus):
    """Such as an old one for the display, for which PyTorch has no kernels."""
    assert choose_devices("auto") == (
        [torch.device("cuda", n) for n in range(3)],
        "computing on 3 GPUs (CUDA)",
    )
    three_gpus["cuda:1"] = False
    found, words = choose_devices("cuda")
    assert [d.index for d in found] == [0, 2]
    assert words == "computing on 2 GPUs (CUDA); 1 failed the self-test"
    three_gpus["cuda:0"] = False
    found, words = choose_devices("cuda")
    assert ([d.index for d in found], words) == ([2], "computing on the GPU (CUDA); 2 failed the self-test")


def test_full_precision_keeps_all_digits_on_a_gpu(three_gpus, monkeypatch):
    """Of grey values such as 20007 and 20008, PyTorch's default (TF32) would make one."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    choose_devices("auto")
    assert not torch.backends.cudnn.allow_tf32


def test_memory_that_pytorch_keeps_counts_as_free(monkeypatch):
    fake = SimpleNamespace(
        mem_get_info=lambda device: (5, 20), memory_reserved=lambda device: 12, memory_allocated=lambda device: 4
    )
    for name, value in vars(fake).items():
        monkeypatch.setattr(torch.cuda, name, value)
    assert free_bytes(torch.device("cuda", 0)) == 5 + 12 - 4
