"""What the first step of a training would have to wait for is there before it."""

import subprocess
import sys

SCRIPT = """
import sys
import torch
from napari_unet.learn import calibrate
from napari_unet.learn.warm import warm_up

cold = len(sys.modules)
warm_up()
warm = set(sys.modules)
assert len(warm) > cold, "the first step imports nothing any more: warm_up can go"
calibrate.fit(torch.full((1, 2, 8), 0.5), torch.zeros(1, 8).long(), torch.ones(2))
weight = torch.ones(1, requires_grad=True)
weight.sum().backward()
torch.optim.AdamW([weight]).step()
print([n for n in set(sys.modules) - warm if n.startswith("torch._dynamo")])
"""


def test_a_training_that_follows_imports_no_compiler():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
