"""The pretend CUDA of other tests catches what it is there for."""

import copy
import threading

import numpy as np
import pytest
import torch
from torch import nn

from napari_unet.learn.device import choose_devices
from napari_unet.learn.predictor import Results
from pretend_cuda import CPU, device_of, pretend_cuda

FIRST, SECOND = (torch.device("cuda", n) for n in range(2))


@pytest.mark.parametrize(
    "mixed",
    [
        lambda x: x + torch.ones(3),
        lambda x: torch.ones(3)[x.long()],
        lambda x: torch.stack([x[0], torch.tensor(1.0)]),
        lambda x: torch.tensor(1.0).add_(x[0]),
        lambda x: nn.Linear(3, 1)(x),
        lambda x: x * x.to("cuda:1"),
        lambda x: torch.optim.SGD([_with_gradient(x)]).step(),
    ],
    ids=["sum", "index", "stack", "in place", "layer", "two GPUs", "optimizer"],
)
def test_tensors_of_two_devices_do_not_meet(mixed):
    with pretend_cuda(2), pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        mixed(torch.ones(3).to("cuda"))


def _with_gradient(gradient):
    weight = nn.Parameter(torch.ones(3))
    weight.grad = gradient
    return weight


@pytest.mark.parametrize("taken", [torch.Tensor.numpy, np.asarray, torch.Tensor.pin_memory])
def test_what_lies_on_a_gpu_is_neither_numpys_nor_pinned(taken):
    with pretend_cuda():
        x = torch.ones(3).cuda()
        with pytest.raises(TypeError, match="a tensor on cuda:0 cannot be"):
            taken(x)
        np.testing.assert_array_equal(taken(x.cpu()), [1, 1, 1])


def test_what_cuda_takes_is_taken_and_what_is_computed_lies_there():
    with pretend_cuda(2):
        x = torch.arange(3.0, device="cuda")
        for found, expected in (
            (x * torch.tensor(2.0), [0, 2, 4]),
            (x[torch.tensor([2, 0])], [2, 0]),
            (torch.zeros_like(x).copy_(torch.ones(3)), [1, 1, 1]),
            (copy.deepcopy(x), [0, 1, 2]),
            (torch.nn.functional.pad(x, (1, 0)), [0, 0, 1, 2]),
        ):
            assert device_of(found) == found.device == FIRST
            assert found.tolist() == expected
        assert x.to("cuda:1").device == SECOND
        assert x.cpu().device == CPU
        assert (x.cpu() + torch.ones(3)).numpy().tolist() == [1, 2, 3]
    assert x.device == CPU  # it was pretence


def test_a_network_moves_with_all_that_is_its_own_and_its_copy_stays():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    with pretend_cuda():
        moved = copy.deepcopy(network).to("cuda")
        moved(torch.ones(1, 1, 4, 4, device="cuda")).sum().backward()
        assert {t.device for t in moved.state_dict().values()} == {FIRST}
        assert {p.grad.device for p in moved.parameters()} == {FIRST}
        assert {t.device for t in network.state_dict().values()} == {CPU}


def fetched(device):
    values = torch.ones(3, device=device)
    return Results.fetch([{"a": values}], values.sum(), on_gpu=True)


def test_what_is_copied_without_waiting_is_there_when_it_was_waited_for():
    with pretend_cuda(2), torch.cuda.device("cuda:1"):
        results = fetched("cuda")
        assert results._tensors[0]["a"].tolist() != [1, 1, 1]
        assert results.arrays()[0]["a"].tolist() == [1, 1, 1]
        with torch.cuda.device("cuda:0"):  # waits for the other GPU
            results = fetched("cuda:1")
            assert results.arrays()[0]["a"].tolist() != [1, 1, 1]


def test_threads_know_it_and_too_large_tensors_do_not_fit():
    failed = []

    def allocate():
        try:
            torch.ones(3, device="cuda") + torch.ones(300, device="cuda")
        except torch.OutOfMemoryError as error:
            failed.append(str(error))

    with pretend_cuda(largest=100):
        thread = threading.Thread(target=allocate)
        thread.start()
        thread.join()
    assert failed == ["CUDA out of memory"]


def test_the_gpus_that_are_chosen():
    with pretend_cuda(2):
        assert choose_devices("auto") == ([FIRST, SECOND], "computing on 2 GPUs (CUDA)")
    assert choose_devices("cpu")[0] == [CPU]
