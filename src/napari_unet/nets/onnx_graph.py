"""A network of others as an ONNX graph, run by onnxruntime; its bytes are the one "weight" of the model file."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from napari_unet.errors import UserError
from napari_unet.nets.geometry import Axis, Geometry, Level
from napari_unet.spec import OnnxSpec

INSTALL = 'pip install "napari-unet-live[onnx]"'
LEAST = 1e-7
"""Probabilities are kept this far from 0 and 1, so that their logarithms are numbers."""


def geometry(spec: OnnxSpec) -> Geometry:
    """Geometry of the network, as its package tells it or as it was measured."""
    pairs = zip(spec.stride, spec.halo, strict=True)
    return Geometry(tuple(Axis((Level((-halo, halo), stride=stride), Level((0, 0)))) for stride, halo in pairs))


class OnnxGraph(nn.Module):
    """Input (N, C, [Z,] Y, X), lengths multiples of the stride; output (N, classes, [Z,] Y, X), logarithms.

    The softmax of the output is what the graph means: its probabilities, and where those of its channels do not
    exclude one another, that of none of them as well.
    """

    graph: Tensor

    def __init__(self, spec: OnnxSpec) -> None:
        super().__init__()
        self.spec = spec
        self.register_buffer("graph", torch.zeros(spec.bytes, dtype=torch.uint8))
        self._session: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None}  # a session can be neither copied nor pickled

    def forward(self, x: Tensor) -> Tensor:
        """Compute logarithms of probabilities, one image after the other, on the CPU."""
        shape = (1, -1, *(1,) * self.spec.ndim)
        gain, shift = (torch.tensor(v).reshape(shape) for v in (self.spec.gain, self.spec.shift))
        seen = x.detach().float().cpu() * gain + shift
        found = torch.cat([self._run(one[None]) for one in seen])
        expected = (len(x), self.spec.classes - (not self.spec.exclusive), *x.shape[2:])
        if found.shape != expected:
            raise UserError(
                f"the imported network gives {tuple(found.shape)} for {tuple(x.shape)}, and not {expected} "
                "as its package says: it cannot be used"
            )
        return self._logarithms(found).to(x.device)

    def _run(self, x: Tensor) -> Tensor:
        if self._session is None:
            self._session = open_session(self.graph.cpu().numpy().tobytes())
        (name,) = (i.name for i in self._session.get_inputs())
        try:
            return torch.from_numpy(self._session.run(None, {name: x.contiguous().numpy()})[0]).float()
        except Exception as error:  # onnxruntime has many, without a common base
            raise UserError(
                f"the imported network cannot take an image of {' x '.join(map(str, x.shape[2:]))} pixels "
                f"({str(error).splitlines()[0][:200]}): choose another --tile, or a larger image"
            ) from error

    def _logarithms(self, found: Tensor) -> Tensor:
        if self.spec.exclusive:
            return found if self.spec.gives == "logits" else found.clamp(min=LEAST).log()
        if self.spec.gives == "logits":
            yes, no = nn.functional.logsigmoid(found), nn.functional.logsigmoid(-found)
        else:
            known = found.clamp(LEAST, 1 - LEAST)
            yes, no = known.log(), (-known).log1p()
        return torch.cat([yes, no.sum(dim=1, keepdim=True)], dim=1)


def open_session(graph: bytes) -> Any:
    """Open an ONNX graph with onnxruntime, on the CPU.

    Raises
    ------
    UserError
        If onnxruntime is missing, or does not take the graph.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(f"this model needs onnxruntime, which is not installed: {INSTALL}") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise UserError(f"onnxruntime does not take this network: {str(error).splitlines()[0][:200]}") from error
