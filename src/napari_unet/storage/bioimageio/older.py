"""Descriptions of format 0.4 in the words of format 0.5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

TYPES = {"b": "batch", "c": "channel", "t": "time", "i": "index", "z": "space", "y": "space", "x": "space"}
NAMES = {"b": "batch", "c": "channel", "t": "time", "i": "index"}
FIXED = "fixed_zero_mean_unit_variance"

Facts = Mapping[str, Any]


def modern(found: Facts) -> dict[str, Any]:
    """Say in the words of format 0.5 what format 0.4 says.

    Examples
    --------
    >>> step = {"name": "zero_mean_unit_variance", "kwargs": {"mode": "per_sample", "axes": "yx"}}
    >>> tensor = {"name": "raw", "axes": "bcyx", "shape": [1, 1, 64, 64], "preprocessing": [step]}
    >>> told = {"inputs": [tensor], "test_inputs": ["a.npy"], "outputs": [], "test_outputs": [], "weights": {}}
    >>> modern(told)["inputs"][0]["preprocessing"]
    [{'id': 'zero_mean_unit_variance', 'kwargs': {'axes': ['y', 'x']}}]
    """
    return {
        **found,
        "inputs": [_tensor(t, f) for t, f in zip(found["inputs"], found["test_inputs"], strict=True)],
        "outputs": [_tensor(t, f) for t, f in zip(found["outputs"], found["test_outputs"], strict=True)],
        "weights": {name: _weights(entry) for name, entry in found["weights"].items()},
    }


def _tensor(tensor: Facts, test: str) -> dict[str, Any]:
    sizes, halos = _sizes(tensor), tensor.get("halo") or [0] * len(tensor["axes"])
    axes = [
        {"type": TYPES[a], "id": NAMES.get(a, a), "size": size, "halo": halo}
        for a, size, halo in zip(tensor["axes"], sizes, halos, strict=True)
    ]
    steps = {way: [_step(s) for s in tensor.get(way) or ()] for way in ("preprocessing", "postprocessing")}
    return {"id": tensor["name"], "axes": axes, "test_tensor": {"source": test}, **steps, "data": _data(tensor)}


def _sizes(tensor: Facts) -> Sequence[Any]:
    shape = tensor["shape"]
    if isinstance(shape, list):
        return shape
    if "min" in shape:
        return [{"min": low, "step": step} for low, step in zip(shape["min"], shape["step"], strict=True)]
    return [
        {"tensor_id": shape["reference_tensor"], "axis_id": NAMES.get(a, a), "offset": 2 * offset}
        for a, offset in zip(tensor["axes"], shape["offset"], strict=True)
    ]


def _data(tensor: Facts) -> dict[str, Any]:
    return {"range": tensor["data_range"]} if "data_range" in tensor else {}


def _step(step: Facts) -> dict[str, Any]:
    kwargs = dict(step.get("kwargs") or {})
    name, mode = step["name"], kwargs.pop("mode", None)
    if isinstance(kwargs.get("axes"), str):
        kwargs["axes"] = [NAMES.get(a, a) for a in kwargs["axes"]]
    if name == "zero_mean_unit_variance" and mode == "fixed":
        return {"id": FIXED, "kwargs": {k: kwargs[k] for k in ("mean", "std")}}
    return {"id": name, "kwargs": kwargs}


def _weights(entry: Facts) -> dict[str, Any]:
    made = dict(entry)
    if "architecture" in entry:
        where, _, name = str(entry["architecture"]).rpartition(":" if ":" in entry["architecture"] else ".")
        place = {"source": where} if ":" in entry["architecture"] else {"import_from": where}
        made["architecture"] = {
            **place,
            "callable": name,
            "sha256": entry.get("architecture_sha256"),
            "kwargs": entry.get("kwargs") or {},
        }
    return made
