"""From what a user names (a recipe, a network, some settings) to the spec of a training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from napari_unet.errors import UserError, one_line
from napari_unet.nets import NETS
from napari_unet.spec import NEEDS, OF_ENCODER, RECIPES, NetSpec, TrainingSpec, TrainSpec

Fields = Mapping[str, Any]
SHAPE = ("base", "depth", "up", "skips", "activation", "batchnorm", "dropout")
"""What can be set of a network by a name of its own; not every network has each."""


def net_spec(name: str, **fields: Any) -> NetSpec:
    """Spec of a network by name.

    Raises
    ------
    UserError
        If there is no such network, or it has no such setting.
    """
    if name not in NETS:
        raise UserError(f"there is no network '{name}'; there are: {', '.join(NETS)}")
    known = NETS[name].spec.model_fields
    for field in fields:
        if field not in known:
            has = ", ".join(f for f in SHAPE if f in known)
            raise UserError(f"the network '{name}' has no setting '{field}'; it has: {has}")
    spec: NetSpec = NETS[name].spec(**fields)
    return spec


def find_recipe(name: str | Path | TrainingSpec | None) -> TrainingSpec:
    """Spec of a recipe by name, or of a JSON file; None: the default.

    Raises
    ------
    UserError
        If there is no such recipe, or the file is none.

    Examples
    --------
    >>> find_recipe("isbi2012-keras").train.steps
    300
    """
    if isinstance(name, TrainingSpec):
        return name
    if name is None:
        return TrainingSpec()
    if str(name) in RECIPES:
        return RECIPES[str(name)].spec
    if not str(name).endswith(".json") and Path(name).is_file():
        raise UserError(
            f"'{name}' is no recipe: a file of one ends in .json, such as 'napari-unet recipes' prints"
        )
    if not str(name).endswith(".json"):
        raise UserError(f"there is no recipe '{name}'; there are: {', '.join(RECIPES)}, or give a .json file")
    try:
        return TrainingSpec.model_validate_json(Path(name).read_bytes())
    except OSError as error:
        raise UserError(f"cannot read the recipe {name}: {error.strerror}") from error
    except ValidationError as error:
        raise UserError(f"the recipe {name} is not valid: {one_line(error)}") from error


def make_spec(
    recipe: str | Path | TrainingSpec | None = None,
    net: str | None = None,
    *,
    shape: Fields | None = None,
    target: Fields | None = None,
    train: Fields | None = None,
    normalisation: str | None = None,
) -> TrainingSpec:
    """Put a training's spec together: the recipe's, changed by whatever is given (None: not given).

    Parameters
    ----------
    recipe
        Name, JSON file, or spec; None: the default.
    net
        Name of a network that takes the place of the recipe's, with its defaults. The recipe's patch, start of the
        encoder, and a loss that needs another activation go with the network that they were meant for.
    shape, target, train
        Fields of the network, of `TargetSpec` and of `TrainSpec`. ``seconds`` and ``steps`` replace each other.
        One number as ``patch`` is its length along every axis of the network.
        A ``loss`` brings the activation that it needs, unless ``activation`` is given.
    normalisation
        Method of `NormalisationSpec`.

    Raises
    ------
    UserError
        If a name is unknown, or a value is not allowed.

    Examples
    --------
    >>> make_spec("unet2015", shape={"base": 16}, train={"steps": 10}).net.base
    16
    """
    base = find_recipe(recipe)
    of_net, of_target, of_train = (_given(fields) for fields in (shape, target, train))
    if len({"seconds", "steps"} & set(of_train)) == 2:
        raise UserError(f"give seconds ({of_train['seconds']}) or steps ({of_train['steps']}), not both")
    budget = {"seconds": None, "steps": None} if {"seconds", "steps"} & set(of_train) else {}
    if (loss := of_train.get("loss")) in NEEDS:
        of_net.setdefault("activation", NEEDS[loss])
    same = net in (None, base.net.kind)
    kept = dict(base.net) if same else {}
    try:
        changed = net_spec(net or base.net.kind, **{**kept, **of_net})
        train_before = dict(base.train) if same else _without_network(base.train, changed)
        if isinstance(patch := of_train.get("patch"), int):
            of_train["patch"] = (patch,) * changed.ndim
        return TrainingSpec.model_validate(
            {
                "target": {**dict(base.target), **of_target},
                "net": changed,
                "train": {**train_before, **budget, **of_train},
                "normalisation": {"method": normalisation or base.normalisation.method},
            }
        )
    except ValidationError as error:
        raise UserError(one_line(error)) from error


def _without_network(train: TrainSpec, net: NetSpec) -> Fields:
    """Leave out of a recipe's training what belongs to its network, now that another takes its place."""
    gone = {name: TrainSpec.model_fields[name].default for name in (*OF_ENCODER, "patch")}
    if NEEDS.get(train.loss or "", net.activation) != net.activation:
        gone["loss"] = None
    return {**dict(train), **gone}


def _given(fields: Fields | None) -> dict[str, Any]:
    return {k: v for k, v in (fields or {}).items() if v is not None}
