"""Code of others: it runs only if a person has agreed to this very code, by its SHA-256."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Collection, Mapping, Sequence
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from napari_unet.errors import UserError
from napari_unet.learn.converting import to_onnx
from napari_unet.learn.layouts import SHOWN


def build_trusted(
    source: bytes, trusted: Collection[str], name: str, kwargs: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> nn.Module:
    """Run code that is trusted, let it build its network, and give that its weights.

    Parameters
    ----------
    source
        Python.
    trusted
        SHA-256 of the code that may run.
    name, kwargs
        What to call in it.
    tensors
        All weights of the network.

    Raises
    ------
    UserError
        If the code is not trusted, which is looked at first; or does not do what it should.
    """
    digest = hashlib.sha256(source).hexdigest()
    if digest not in {t.lower() for t in trusted}:
        raise UserError(f"the code with the SHA-256 {digest} is not trusted: it does not run")
    module = ModuleType(f"trusted_{digest}")
    sys.modules[module.__name__] = module  # classes look their module up
    try:
        exec(compile(source, f"{module.__name__}.py", "exec"), module.__dict__)
        network = getattr(module, name)(**kwargs)
        found = network.load_state_dict(dict(tensors), strict=False)
    except Exception as error:  # whatever a stranger's code raises
        words = " ".join(str(error).split())[:300]
        raise UserError(f"the code of the package fails: {type(error).__name__}: {words}") from error
    if not isinstance(network, nn.Module):
        raise UserError(f"'{name}' of the package's code gives a {type(network).__name__}, and no network")
    if wrong := [*found.missing_keys, *found.unexpected_keys]:
        raise UserError(f"the weights of the package do not fit its code: {', '.join(wrong[:SHOWN])}")
    return network.eval()


def convert_trusted(network: nn.Module, example: Tensor, lengths: Sequence[str]) -> bytes:
    """Write the network of a stranger as ONNX, see `to_onnx`.

    Raises
    ------
    UserError
        If it does not run, or the exporter has no words for what it does.
    """
    try:
        return to_onnx(network, example, lengths)
    except UserError:
        raise
    except Exception as error:  # of the exporter, or of the stranger's code, which runs here
        words = " ".join(str(error).split())[:300]
        raise UserError(
            f"the network of the package cannot be converted to ONNX: {type(error).__name__}: {words}; ask its "
            "authors for ONNX weights"
        ) from error
