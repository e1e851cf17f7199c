"""The settings of a training as a whole: recipes, files, and what does not fit together; no Qt here."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from napari_unet.engine.client import ModelInfo
from napari_unet.errors import UserError
from napari_unet.files import replacing
from napari_unet.spec import RECIPES, WITH_ENCODER, NetSpec, TargetSpec, TrainingSpec, TrainSpec

ANNOTATION = ("style", "classes", "dense", "unpainted", "background_value")
"""Fields of `TargetSpec` that say what the user has painted; no recipe knows them."""
ENCODER = ("encoder_weights", "encoder_file", "freeze_encoder")
"""Fields of `TrainSpec` that belong to the networks with an encoder from ImageNet."""
MACHINE = ("device", "threads", "precision")
"""Fields of `TrainSpec` that say what computes, and how."""
_NOT_COMPARED = {"seconds", "steps", "checks", "patience", "encoder_file", *MACHINE}
"""Fields of `TrainSpec` that are the user's time and machine, whatever the recipe."""


def recipe_spec(name: str, painted: TargetSpec) -> TrainingSpec:
    """Give a recipe for what the user has painted.

    Parameters
    ----------
    name
        Of the recipe.
    painted
        Whose annotation style stays.

    Examples
    --------
    >>> spec = recipe_spec("unet2015", TargetSpec(style="cells", dense=True))
    >>> spec.target.style, spec.target.weight_map, spec.train.momentum
    ('cells', True, 0.99)
    """
    spec = RECIPES[name].spec
    kept = {field: getattr(painted, field) for field in ANNOTATION}
    return spec.model_copy(update={"target": spec.target.model_copy(update=kept)})


def model_spec(model: ModelInfo, painted: TargetSpec, machine: TrainSpec) -> TrainingSpec:
    """Give the settings with which a model was trained, to train it further on what the user has painted.

    Parameters
    ----------
    model
        Its patch is left open, as the image may be of another size.
    painted
        Whose annotation style stays.
    machine
        Whose device, threads, precision and seed stay.

    Examples
    --------
    >>> from napari_unet.spec import UNetSpec
    >>> facts = {"training": {"train": {"batch": 7}}}
    >>> model = ModelInfo(classes=(), net=UNetSpec(base=8, classes=3), description=facts)
    >>> spec = model_spec(model, TargetSpec(style="cells"), TrainSpec(device="cpu"))
    >>> spec.net == UNetSpec(base=8), spec.target.style, spec.train.batch, spec.train.device
    (True, 'cells', 7, 'cpu')
    """
    fields = type(model.net).model_fields
    net = model.net.model_copy(update={name: fields[name].default for name in ("in_channels", "classes")})
    before = TrainingSpec.model_validate({**model.description.get("training", {}), "net": net})
    kept = {field: getattr(painted, field) for field in ANNOTATION}
    own = {field: getattr(machine, field) for field in (*MACHINE, "seed")}
    train = before.train.model_copy(update={"patch": None, "encoder_file": None, **own})
    return before.model_copy(update={"target": before.target.model_copy(update=kept), "train": train})


def recipe_of(spec: TrainingSpec) -> str | None:
    """Name the recipe that settings are, but for the time, the machine and the annotation style.

    Returns
    -------
    str or None
        None if they are no recipe's.

    Examples
    --------
    >>> recipe_of(TrainingSpec(train=TrainSpec(seconds=300, device="cpu")))
    'default'
    """
    return next((name for name in RECIPES if _core(recipe_spec(name, spec.target)) == _core(spec)), None)


def _core(spec: TrainingSpec) -> dict[str, object]:
    found = spec.model_dump()
    found["train"] = {k: v for k, v in found["train"].items() if k not in _NOT_COMPARED}
    return found


def without_encoder(train: TrainSpec, net: NetSpec) -> TrainSpec:
    """Forget how the encoder starts where the network has none."""
    if net.kind in WITH_ENCODER:
        return train
    return train.model_copy(update={field: TrainSpec.model_fields[field].default for field in ENCODER})


def sentence(error: ValidationError) -> str:
    """Say in words what pydantic refuses.

    Examples
    --------
    >>> try:
    ...     TrainSpec(batch=0)
    ... except ValidationError as error:
    ...     print(sentence(error))
    batch: input should be greater than or equal to 1 (got 0)
    >>> try:
    ...     TrainingSpec(train=TrainSpec(loss="binary-cross-entropy"))
    ... except ValidationError as error:
    ...     print(sentence(error))
    the loss 'binary-cross-entropy' needs the activation 'sigmoid', not 'softmax'
    """
    first = error.errors()[0]
    words = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":  # one of our own
        return words
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {words[:1].lower()}{words[1:]} (got {first['input']!r})" if where else words


def read_settings(path: Path) -> TrainingSpec:
    """Read settings from a JSON file.

    Raises
    ------
    UserError
        If it cannot be read, or holds something else.
    """
    try:
        return TrainingSpec.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        raise UserError(f"{path.name} holds no valid settings ({sentence(error)})") from error


def write_settings(path: Path, spec: TrainingSpec) -> None:
    """Write settings as JSON, which ``napari-unet train --recipe`` takes as well.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    try:
        with replacing(path) as temporary:
            temporary.write_text(spec.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
