"""Numbers and facts in words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from napari_unet.arrays import spacing
from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Region
from napari_unet.engine.client import ModelInfo
from napari_unet.events import TileDone
from napari_unet.spec import DEFAULT_CLASSES, CellMethod, NetSpec, TargetSpec, TrainSpec, UNet3DSpec
from napari_unet.spec.differences import Difference

CAPTIONS = {
    "kind": "Network",
    "base": "Width",
    "depth": "Depth",
    "up": "Way up",
    "skips": "Skips",
    "dropout": "Dropout",
    "batchnorm": "BatchNorm",
    "activation": "Activation",
    "rim": "Rim",
    "weight_map": "Narrow gaps",
    "border_weight": "Gap weight",
    "border_sigma": "Gap width",
    "normalisation": "Grey values",
}
"""What the window calls settings that have another name elsewhere."""

_OPTIONS, _OR_HERE = re.compile(r" \(--[^()]*\)"), re.compile(r"\(--[^()]*, or (?='[^()]* in the window\))")
READY = "Ready to train."
LITTLE = 100
"""Pixels of a class below which more of it is asked for."""
_AXIS = {"T": ("time point", "time points"), "Z": ("slice", "slices")}

METHODS: dict[CellMethod, str] = {
    "auto": "Automatic",
    "watershed": "Watershed",
    "gasp": "Agglomeration (GASP)",
    "multicut": "Multicut",
    "components": "Connected parts",
}
"""Names of the methods that make cells."""


def sentence(text: object) -> str:
    """Make a sentence of what an error says.

    Examples
    --------
    >>> sentence("no cell is predicted here")
    'No cell is predicted here.'
    """
    return f"{capital(str(text))}."


def without_options(text: str) -> str:
    """Leave out what an error says to those at the command line.

    Examples
    --------
    >>> without_options("choose the style 'cells' (--style cells, and --dense if all are painted), or paint more")
    "choose the style 'cells', or paint more"
    >>> without_options("say so (--dense, or 'unpainted: automatic' in the window)")
    "say so ('unpainted: automatic' in the window)"
    """
    return _OPTIONS.sub("", _OR_HERE.sub("(", text))


def capital(text: str) -> str:
    """Begin with a capital letter.

    Examples
    --------
    >>> capital("nothing is finished")
    'Nothing is finished'
    """
    return f"{text[:1].upper()}{text[1:]}"


def count(number: int, one: str, many: str) -> str:
    """Write a number with its noun.

    Examples
    --------
    >>> count(1, "slice", "slices"), count(1200, "slice", "slices")
    ('1 slice', '1,200 slices')
    """
    return f"{number:,} {one if number == 1 else many}"


def duration(seconds: float) -> str:
    """Write a duration for people.

    Examples
    --------
    >>> duration(4.2), duration(75), duration(7300)
    ('4 s', '1 min 15 s', '2 h 1 min')
    """
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def budget(train: TrainSpec) -> str:
    """Write how long a training is.

    Examples
    --------
    >>> budget(TrainSpec(seconds=36_000)), budget(TrainSpec(steps=300))
    ('10 h 0 min', '300 steps')
    """
    return count(train.steps, "step", "steps") if train.steps is not None else duration(train.seconds or 60)


def describe(image: Image) -> str:
    """Say what was understood of an image.

    Examples
    --------
    >>> import numpy as np
    >>> describe(Image(np.zeros((20, 64, 48), np.uint8), "ZYX"))
    '20 slices of 64 x 48 pixels, 1 channel'
    """
    parts = [count(image.size(a), *_AXIS[a]) for a in "TZ" if a in image.axes]
    plane = f"{image.size('Y')} x {image.size('X')} pixels"
    stack = " of ".join([*parts, plane])
    channels = "RGB colour" if "S" in image.axes else count(image.size("C"), "channel", "channels")
    return f"{stack}, {channels}"


def painted(counts: Mapping[int, int], target: TargetSpec) -> str:
    """Say what is painted.

    Parameters
    ----------
    counts
        Pixels per label value.
    target
        Annotation style.

    Examples
    --------
    >>> painted({1: 1200, 2: 80}, TargetSpec())
    'cell 1,200 · boundary 80 · background 0 pixels'
    >>> painted({1: 50, 2: 70, 999: 10}, TargetSpec(style="cells", background_value=999))
    '2 cells (120 pixels) · background 10 pixels'
    """
    if target.style == "cells":
        cells = {v: n for v, n in counts.items() if v != target.background_value}
        words = f"{count(len(cells), 'cell', 'cells')} ({sum(cells.values()):,} pixels)"
        if target.background_value is None:
            return words
        return words + f" · background {counts.get(target.background_value, 0):,} pixels"
    names = " · ".join(f"{c.name} {counts.get(i, 0):,}" for i, c in enumerate(DEFAULT_CLASSES, start=1))
    return names + " pixels"


def missing(counts: Mapping[int, int] | None, target: TargetSpec) -> str:
    """Say what the user has to paint before a training; empty if nothing is missing.

    Parameters
    ----------
    counts
        Pixels per label value; None if there is no annotation layer.

    Examples
    --------
    >>> missing({1: 5}, TargetSpec())
    'Only cell is painted: paint some boundary or background as well.'
    >>> missing({1: 5, 2: 9}, TargetSpec())
    ''
    """
    if counts is None:
        return "Press 'New annotation layer' to begin, or choose a Labels layer."
    if not counts:
        if target.style == "cells":
            return "Paint some cells whole, each with its own number."
        return "Paint a few strokes inside cells, and some along their boundaries."
    if target.style == "cells":
        only_background = set(counts) == {target.background_value}
        return "Only background is painted: paint some cells as well." if only_background else ""
    unknown = sorted(v for v in counts if v > len(DEFAULT_CLASSES) or v < 0)
    if unknown:
        return f"The value {unknown[0]} is no class: choose the style 'Whole cells', or erase it."
    if len(counts) == 1:
        name = DEFAULT_CLASSES[next(iter(counts)) - 1].name
        others = " or ".join(c.name for c in DEFAULT_CLASSES if c.name != name)
        return f"Only {name} is painted: paint some {others} as well."
    return ""


def advice(counts: Mapping[int, int], planes: tuple[int, int], target: TargetSpec, of: str = "slices") -> str:
    """Say what more of annotation would be good for, where nothing is missing.

    Parameters
    ----------
    counts
        Pixels per label value.
    planes
        Slices that are painted on, and all.
    target
        Annotation style.
    of
        What they are called.

    Examples
    --------
    >>> advice({1: 900, 2: 90}, (1, 1), TargetSpec())
    'Ready to train. Very little boundary is painted: more of it, at other places, helps most.'
    >>> advice({1: 900, 2: 900}, (1, 30), TargetSpec())
    'Ready to train. Only 1 of 30 slices is painted on: strokes on others help.'
    >>> advice({1: 900, 2: 900}, (1, 30), TargetSpec(), "time points")
    'Ready to train. Only 1 of 30 time points is painted on: strokes on others help.'
    >>> advice({1: 900, 2: 900}, (3, 30), TargetSpec())
    'Ready to train.'
    >>> advice({1: 900, 2: 900}, (3, 30), TargetSpec(style="cells"))[16:66]
    'No background is painted: what lies between cells '
    """
    if target.style == "cells":
        unknown = _no_background(counts, target)
        return f"{READY} {unknown}" if unknown else _few_slices(planes, of)
    named = {i: c.name for i, c in enumerate(DEFAULT_CLASSES, start=1)}
    least = min((v for v in counts if v in named), key=lambda v: counts[v], default=None)
    if least is not None and set(counts) <= set(named) and counts[least] < LITTLE:
        return f"{READY} Very little {named[least]} is painted: more of it, at other places, helps most."
    return _few_slices(planes, of)


def _few_slices(planes: tuple[int, int], of: str) -> str:
    if planes[0] == 1 < planes[1]:
        return f"{READY} Only 1 of {planes[1]} {of} is painted on: strokes on others help."
    return READY


def _no_background(counts: Mapping[int, int], target: TargetSpec) -> str:
    """Say that nothing tells what is no cell, where that is so."""
    if target.dense or target.background_value in counts:
        return ""
    return "No background is painted: what lies between cells is not known. Paint some, or set Unpainted to it."


def held_out(scores: Mapping[str, float | None], step: int | None = None) -> str:
    """Say how well what was held out is predicted, and what to paint for the scores that are missing.

    Parameters
    ----------
    scores
        Per class.
    step
        That of the model, if it is not the last one.

    Examples
    --------
    >>> held_out({"cell": 0.912, "boundary": 0.5}), held_out({"cell": 1}, 56)
    ('Held out: cell 0.91 · boundary 0.50', 'Held out, step 56: cell 1.00')
    >>> print(held_out({"cell": None, "boundary": 0.5}))
    Held out: cell n/a · boundary 0.50
    n/a: nothing of cell is held out yet; paint some of it, also away from the other strokes.
    """
    parts = [f"{name} {'n/a' if value is None else format(value, '.2f')}" for name, value in scores.items()]
    of = "" if step is None else f", step {step:,}"
    text, unknown = (
        f"Held out{of}: " + " · ".join(parts),
        [name for name, value in scores.items() if value is None],
    )
    if not unknown:
        return text
    names, it = " or ".join(unknown), "it" if len(unknown) == 1 else "each"
    return (
        f"{text}\nn/a: nothing of {names} is held out yet; paint some of {it}, also away from the other strokes."
    )


def scores_of(description: Mapping[str, Any]) -> tuple[dict[str, float | None], int | None] | None:
    """Give the scores of the model that is used, and its step if it is not the last one; None if there are none.

    Parameters
    ----------
    description
        What `Model.describe` says.

    Examples
    --------
    >>> history = [{"step": 20, "scores": {"cell": 0.9}}, {"step": 40, "scores": {"cell": 0.8}}]
    >>> scores_of({"steps": 40, "used_step": 20, "history": history})
    ({'cell': 0.9}, 20)
    >>> scores_of({"steps": 40, "used_step": 40, "history": history})
    ({'cell': 0.8}, None)
    """
    used = description.get("used_step", 0)
    found = [entry["scores"] for entry in description.get("history", ()) if entry["step"] == used]
    return (found[-1], None if used == description["steps"] else used) if found else None


def deleted(names: Sequence[str], job: str | None) -> str:
    """Say what the deletion of layers means for the job at work; empty if nothing.

    Examples
    --------
    >>> deleted(["nuclei", "strokes"], "train")
    "'nuclei' and 'strokes' were deleted. The training goes on with its own copy; Stop ends it."
    >>> deleted(["nuclei"], None)
    ''
    """
    work = {"train": "training goes on with its own copy; Stop", "predict": "segmentation goes on; Cancel"}
    if not names or job not in work:
        return ""
    was = "was" if len(names) == 1 else "were"
    quoted = " and ".join(f"'{name}'" for name in names)
    return f"{quoted} {was} deleted. The {work[job]} ends it."


def describe_model(model: ModelInfo) -> str:
    """Say what model is at hand.

    Examples
    --------
    >>> from napari_unet.spec import BOUNDARY, CELL, UNetSpec
    >>> describe_model(ModelInfo(classes=(CELL, BOUNDARY), net=UNetSpec()))
    'unet, 1 channel; cell, boundary'
    """
    channels = count(model.net.in_channels, "channel", "channels")
    return f"{model.net.kind}, {channels}; {', '.join(c.name for c in model.classes)}"


def learnt(description: Mapping[str, Any]) -> str:
    """Say how long a model was trained, and of which step it is.

    Parameters
    ----------
    description
        What `Model.describe` says.

    Examples
    --------
    >>> learnt({"steps": 150, "used_step": 120, "history": [{"held_out": 0.3}]})
    '150 steps; the model of step 120 scored best on the held-out strokes and is used'
    >>> learnt({"steps": 150, "used_step": 150, "history": [{"held_out": 0.3}]})
    '150 steps; the model of the last one scored best on the held-out strokes and is used'
    >>> learnt({"steps": 150, "used_step": 150, "history": [{"held_out": 0.1}, {"held_out": 0.3, "anew": True}]})
    '150 steps; the model of the last one scored best since the strokes were last changed and is used'
    >>> learnt({"steps": 1, "used_step": 1, "history": [{"held_out": None}]})
    '1 step; the model of the last one is used, as no strokes were held out'
    >>> entry = {"held_out": 0.3, "scores": {"cell": None, "boundary": 0.9}, "comparable": False}
    >>> learnt({"steps": 9, "used_step": 9, "history": [entry]})
    '9 steps; the model of the last one is used, as no strokes of cell were held out'
    """
    steps, used = description["steps"], description.get("used_step", 0)
    text = count(steps, "step", "steps")
    if not used:  # not known of older trainings
        return text
    which = f"the model of {'the last one' if used == steps else f'step {used:,}'}"
    scored = [entry for entry in description["history"] if entry["held_out"] is not None]
    if scored and scored[-1].get("comparable", True):
        anew = any(entry.get("anew") for entry in scored)
        where = "since the strokes were last changed" if anew else "on the held-out strokes"
        return f"{text}; {which} scored best {where} and is used"
    missing = [name for name, value in scored[-1]["scores"].items() if value is None] if scored else []
    strokes = f"strokes of {' or '.join(missing)}" if missing else "strokes"
    return f"{text}; {which} is used, as no {strokes} were held out"


def differing(found: Iterable[Difference]) -> str:
    """Say in which settings two trainings differ.

    Examples
    --------
    >>> differing([Difference("base", 8, 16), Difference("style", "cells", "classes")])
    'its Width is 8, now it is 16; its style is cells, now it is classes'
    """
    return "; ".join(
        f"its {CAPTIONS.get(d.field, d.field)} is {_setting(d.theirs)}, now it is {_setting(d.ours)}"
        for d in found
    )


def _setting(value: Any) -> str:
    names = {None: "not told", True: "on", False: "off"}
    return names[value] if value is None or isinstance(value, bool) else str(value)


def levels(net: NetSpec, image: Image | None) -> str:
    """Say which levels a 3D network that follows the voxel spacing gets on an image; empty for others.

    Examples
    --------
    >>> import numpy as np
    >>> stack = Image(np.zeros((20, 64, 64), np.uint8), "ZYX", (0.2, 0.1, 0.1))
    >>> print(levels(UNet3DSpec(depth=1), stack))
    level 1: voxels of 0.2 x 0.1 x 0.1, kernels 1 x 3 x 3, then pooled 1 x 2 x 2
    level 2: voxels of 0.2 x 0.2 x 0.2, kernels 3 x 3 x 3
    """
    if not isinstance(net, UNet3DSpec) or image is None or image.size("Z") == 1:
        return ""
    strides, kernels = spacing.plan(image.spacing, net.depth, image.shape[2:])
    if net.strides is not None or net.kernels is not None:  # told, and what is not is the same along every axis
        strides = net.strides or ((2, 2, 2),) * net.depth
        kernels = net.kernels or ((3, 3, 3),) * (net.depth + 1)
    text = spacing.describe(image.spacing, strides, kernels)
    known = image.spacing != (1.0, 1.0, 1.0)
    return text if known else f"{text}\n(the layer's scale does not tell the voxel size: taken as cubes)"


def extent(region: Region) -> str:
    """Say how large a part of an image is.

    Examples
    --------
    >>> extent(Region((0, 1), (0, 30), (0, 64), (8, 48)))
    '30 slices of 64 x 40 pixels'
    """
    t, z, y, x = region.shape
    parts = [count(n, *_AXIS[a]) for a, n in (("T", t), ("Z", z)) if n > 1]
    return " of ".join([*parts, f"{y} x {x} pixels"])


def segmenting(event: TileDone, image: Image, cells: int) -> str:
    """Say where a segmentation is.

    Examples
    --------
    >>> import numpy as np
    >>> image = Image(np.zeros((30, 64, 48)), "ZYX")
    >>> segmenting(TileDone(37, 120, 60.0, 90.0, (0, 9)), image, 80)
    'Segmenting z 9: tile 37 of 120, 80 cells so far'
    """
    at = dict(zip("TZ", event.plane or (), strict=False))
    places = [f" {a.lower()} {n}" for a, n in at.items() if image.size(a) > 1]
    found = f", {count(cells, 'cell', 'cells')} so far" if cells else ""
    return f"Segmenting{','.join(places)}: tile {event.done:,} of {event.total:,}{found}"


def remaining(part: float, seconds: float) -> str:
    """Say how much is done and how long the rest takes.

    Examples
    --------
    >>> remaining(0.371, 75)
    '37% · 1 min 15 s left'
    """
    return f"{math.floor(part * 100)}% · {duration(seconds)} left"
