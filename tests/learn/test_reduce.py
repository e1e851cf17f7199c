"""What is made of probabilities on the device."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from napari_unet.learn.reduce import reducer
from napari_unet.spec import BOUNDARY, CELL

THRESHOLD = 0.5


class Calls(TorchDispatchMode):
    """Notes what is computed."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.overloadpacket)
        return func(*args, **(kwargs or {}))


def some_classes(lines, count):
    return [BOUNDARY.model_copy(update={"name": f"line {n}"}) if n in lines else CELL for n in range(count)]


@pytest.mark.parametrize("lines", [[1], [0, 2], [0, 1, 3], [0, 1, 2, 4]])
@pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last])
def test_the_mask_is_that_of_the_sum_of_all_boundary_classes(lines, form):
    torch.manual_seed(0)
    p = torch.rand(2, 5, 33, 47).mul(3).softmax(dim=1).contiguous(memory_format=form)
    expected = p[:, lines].sum(dim=1)
    for threshold in (THRESHOLD, *expected.flatten()[:20].tolist()):  # such as decide by the last bit
        found = reducer(["boundaries"], some_classes(lines, 5), threshold)(p)["boundaries"]
        assert torch.equal(found, (expected >= threshold).to(torch.uint8))


def test_no_index_has_to_be_brought_to_the_device():
    reduce = reducer(["float", "byte", "classes", "boundaries"], some_classes([0, 2], 3), THRESHOLD)
    with Calls() as calls:
        reduce(torch.rand(1, 3, 8, 8))
    assert torch.ops.aten.ge in calls.names
    assert torch.ops.aten.index not in calls.names
