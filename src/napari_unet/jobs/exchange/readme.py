"""What a package says of its model to people."""

from __future__ import annotations

from collections.abc import Iterable

from napari_unet.jobs.exchange.example import Example
from napari_unet.jobs.model import Model
from napari_unet.nets import NETS, geometry_of
from napari_unet.spec import NormalisationSpec
from napari_unet.storage.bioimageio.card import Card

_TEXT = """# {name}

{description}

Made with [napari-unet-live](https://pypi.org/project/napari-unet-live/), which reads this package back as it was
(`napari-unet import-model PACKAGE -o MODEL`); any program that runs models of BioImage.IO can use it as well.

- **Network**: `{kind}`, {purpose}
- **Classes**: {classes}; the output holds their probabilities, which sum to 1
- **Grey values**: {normalisation}
- **Tiles**: lengths are multiples of {steps}; {tiles}
- **Weights**: {weights}
- **Training**: {steps_done} steps

The state dict comes with the source of its network, `architecture.py`, which needs nothing but PyTorch.

## Validation

The test input and output were computed in one piece. A validation on images of your own is up to you: a model
knows what it was trained on, and little else.
"""


def readme_of(model: Model, card: Card, made: Example, weights: Iterable[str]) -> str:
    """Write the text."""
    net = model.spec.net
    return _TEXT.format(
        name=card.name,
        description=card.description,
        kind=net.kind,
        purpose=NETS[net.kind].purpose,
        classes=", ".join(f"{c.name} ({c.role})" for c in model.classes),
        normalisation=_normalisation(model.spec.normalisation),
        steps=" x ".join(str(a.step) for a in made.lengths),
        tiles=_tiles(model, made),
        weights=", ".join(weights),
        steps_done=model.trained.info.get("steps", "an unknown number of"),
    )


def _normalisation(spec: NormalisationSpec) -> str:
    if spec.method == "none":
        return "as they are"
    how = (
        "minus the mean, divided by the standard deviation"
        if spec.method == "meanstd"
        else f"percentiles {spec.low:g} to {spec.high:g} become -2 to 2"
    )
    return f"{how}, of each channel of the whole image or stack at once (not slice by slice, nor tile by tile)"


def _tiles(model: Model, made: Example) -> str:
    margin, halo = ([getattr(a, field) for a in made.lengths] for field in ("margin", "halo"))
    if any(margin):
        return f"the output is {' x '.join(map(str, margin))} pixels shorter at each side"
    exact = list(geometry_of(model.spec.net).halo)
    words = f"with a halo of {' x '.join(map(str, halo))} pixels"
    if halo == exact:
        return f"{words} they are exactly what the whole image would give"
    return f"{words}; exact tiles need one of {' x '.join(map(str, exact))}, which few machines have memory for"
