"""What a training begins with: its first weights, and what it keeps to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from napari_unet.events import Note
from napari_unet.jobs.differing import check_start
from napari_unet.jobs.encoder import load_imagenet
from napari_unet.jobs.model import Model
from napari_unet.learn.anchor import Anchor
from napari_unet.learn.data import PatchSampler
from napari_unet.learn.modelfile import Trained
from napari_unet.learn.start import fits, rows_of, shipped
from napari_unet.nets import build, geometry_of
from napari_unet.nets.adopt import adopt, rescale
from napari_unet.nets.freeze import freeze
from napari_unet.spec import TrainingSpec

LEAST_TRUST = 0.2
"""A start that is worth less than this (see `Anchor.trust`) gives its weights, and no more."""
MOSTLY = 0.5
"""Part of the planes beyond which annotation counts as dense: it leaves little to be kept to."""
OF_ANCHOR = "anchor."
"""What the names of the start's weights begin with, in the state of a training."""


@dataclass(frozen=True)
class Beginning:
    """The network before the first step."""

    network: nn.Module
    knows: bool = False
    """It has the weights of one that knew all of the classes."""
    notes: tuple[Note, ...] = ()


def begin(
    spec: TrainingSpec, start: Model | None, fetch: Callable[[], Path] | None, *, goes_on: bool
) -> Beginning:
    """Build the network: as a model left it, as the package brings it, with ImageNet's encoder, or at random.

    Parameters
    ----------
    spec
        Complete.
    start
        A model to start from.
    fetch
        Downloads ImageNet's weights if they are missing.
    goes_on
        The training gets its weights later.

    Raises
    ------
    UserError
        If the model is of another network, or ImageNet's weights are missing.
    """
    network, train = build(spec.net), spec.train
    begun = Beginning(network)
    ours = spec.target.classes
    if start is not None:
        check_start(start.spec.net, spec.net)
        renamed = len(start.classes) == len(ours)  # they may mean something else from now on, see `start_notes`
        rows = tuple(range(len(ours))) if renamed else rows_of(start.classes, ours)
        begun = _begin_with(network, spec, start.trained, rows)
    elif not goes_on and train.start == "shipped" and fits(spec):
        begun = _begin_with(network, spec, shipped(), rows_of(shipped().classes, ours))
    elif not goes_on and train.encoder_weights == "imagenet":
        begun = Beginning(network, notes=(load_imagenet(network, spec.net, train.encoder_file, fetch),))
    elif not goes_on and train.freeze_encoder:
        words = "the encoder is frozen at random weights: it will not learn"
        begun = Beginning(network, notes=(Note(words, warning=True),))
    if train.freeze_encoder:
        freeze(network.get_submodule("encoder"))
    return begun


def _begin_with(network: nn.Module, spec: TrainingSpec, start: Trained, rows: tuple[int | None, ...]) -> Beginning:
    """Take the weights of a model; layers that do not fit the channels or classes are made to."""
    if spec.net.activation == "sigmoid" and start.spec.net.outputs != spec.net.outputs:
        rows = (None,) * spec.net.outputs  # one output may tell two classes apart
    adopt(network, start.network.state_dict(), rows)
    return Beginning(network, knows=None not in rows)


def hold(
    begun: Beginning,
    spec: TrainingSpec,
    sampler: PatchSampler,
    state: Mapping[str, Tensor] | None,
    *,
    given: bool = False,
) -> tuple[Anchor | None, tuple[Note, ...]]:
    """Hold a training to its start where nothing is painted, if the start knows something of what is.

    Parameters
    ----------
    begun
        What it begins with.
    spec
        Complete.
    sampler
        What it learns from.
    state
        Of a training that goes on: it has kept its start.
    given
        The start is a model of the user's, of which all classes are wanted.
    """
    network = begun.network
    if state is not None:
        kept = {k.removeprefix(OF_ANCHOR): v for k, v in state.items() if k.startswith(OF_ANCHOR)}
        if not kept:
            return None, ()
        network = build(spec.net)
        network.load_state_dict(kept)
    elif not begun.knows:
        return None, ()
    comparable = spec.net.activation == "softmax" and not any(geometry_of(spec.net).margin)
    if spec.train.anchor == 0 or not comparable:
        return None, ()
    painted = sum(sampler.counts) / sum(target.size for target in sampler.targets)
    if painted > MOSTLY:
        return None, ()
    assert spec.train.patch is not None  # filled in by `complete`
    known, patch = state is not None, spec.train.patch
    anchor = Anchor(network, sampler.units, sampler.targets, patch, calibrated=known, spare=given)
    worth = f"the start predicts what is annotated {anchor.trust:.0%} better than chance"
    if anchor.trust < LEAST_TRUST:
        return None, (Note(f"{worth}: it is not kept to"),)
    if anchor.calibration is not None:
        rescale(begun.network, anchor.calibration.scale, anchor.calibration.shift)
    return anchor, (Note(f"{worth}: it is kept to where nothing is annotated"),)
