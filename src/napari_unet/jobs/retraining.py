"""Run again what made a model: its training, if images and labels are files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_unet.errors import UserError
from napari_unet.jobs.replaying import SHOWN, Replay
from napari_unet.spec import ModelFacts, TrainingSpec
from napari_unet.spec.record import PROGRAM
from napari_unet.storage.facts import read_facts
from napari_unet.storage.formats import image_paths
from napari_unet.storage.moved import Search
from napari_unet.storage.read import open_image
from napari_unet.storage.records import facts_of

Facts = Mapping[str, Any]


def recipe_of(out: Path) -> Path:
    """Name the file of the settings, beside the new model.

    Examples
    --------
    >>> recipe_of(Path("new.safetensors")).name
    'new.recipe.json'
    """
    return out.with_suffix(".recipe.json")


def write_recipe(facts: Facts, out: Path) -> None:
    """Write the settings of a training, to be read by ``train --recipe``.

    Raises
    ------
    UserError
        If another kind of file has that name.
    """
    path = recipe_of(out)
    if path.exists() and not _is_recipe(path):
        raise UserError(
            f"{path} holds no settings of a training, and is not replaced; move it, or choose another --out"
        )
    path.write_text(TrainingSpec.model_validate(facts["spec"]).model_dump_json(indent=2), encoding="utf-8")


def _is_recipe(path: Path) -> bool:
    try:
        TrainingSpec.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return False
    return True


def plan_training(
    facts: Facts,
    model: Path,
    out: Path,
    *,
    image: Path | None = None,
    labels: Path | None = None,
    check: bool = True,
) -> Replay:
    """Find images and labels of a model, and tell how the images differ from those that it has seen.

    Parameters
    ----------
    facts
        What `napari_unet.storage.facts.read_facts` says of the model.
    model
        Around it is looked for images and labels that are not where they were.
    out
        The new model.
    image, labels
        Where they lie now (files, or folders), if not where the model says.
    check
        Look at the images.

    Raises
    ------
    UserError
        If they are in no files, or not there, or the model does not tell them.
    """
    info = facts["info"]
    if not info.get("images") or "labels" not in info:
        raise UserError(
            "this model does not tell what it has learnt from, so that its training cannot be run again: it came "
            "with this program or from another one, or an older version made it"
        )
    known = [i.get("path") for i in info["images"]]
    painted = info["labels"].get("paths", [])
    search = Search(model)
    images = _find(search, [p for p in known if p], len(known), "images", "--image", image)
    drawn = _find(search, painted, len(known), "labels", "--labels", labels)
    if search.missing and check:
        raise UserError("; ".join(search.missing))
    words = [PROGRAM, "train", str(images), str(drawn), "-o", str(out), "--recipe", str(recipe_of(out))]
    words += ["--axes", info["images"][0]["axes"]]
    if "start" in info:
        start = ModelFacts.model_validate(info["start"])
        words += ["--start", start.path or start.name]
    return Replay(
        tuple(words), tuple(_differences(info, images)) if check else (), (*search.notes, *_notes(facts))
    )


def _find(search: Search, paths: Sequence[str], number: int, what: str, option: str, given: Path | None) -> Path:
    """Give the file, or the folder of several; where it was, if it is nowhere."""
    place = given or _place(paths, number, what, option)
    return search.find(f"what held the {what} of this training", option, given, str(place)) or place


def _place(paths: Sequence[str], number: int, what: str, option: str) -> Path:
    """Give the file, or the folder of several."""
    if not paths or len(paths) != number:
        raise UserError(f"the {what} of this training were in no files: save them, and name them with {option}")
    folders = {Path(p).parent for p in paths}
    if number == 1:
        return Path(paths[0])
    if len(folders) > 1:
        raise UserError(f"the {what} of this training lie in {len(folders)} folders: name one with {option}")
    return folders.pop()


def _differences(info: Facts, images: Path) -> list[str]:
    found, known = image_paths(images), info["images"]
    if len(found) != len(known):
        return [f"{images} holds {len(found)} images, the training had {len(known)}; name them with --image"]
    differences = []
    for path, before in zip(found, known, strict=True):
        now = facts_of(open_image(path, before["axes"])).fingerprint
        if now != before["fingerprint"]:
            hashes = f"its fingerprint is {now[:SHOWN]}, the training saw {before['fingerprint'][:SHOWN]}"
            differences.append(f"{path} is another image: {hashes}; give the right one with --image")
    return differences


def _notes(facts: Facts) -> list[str]:
    """Tell what a replay cannot promise."""
    notes = []
    if facts["info"].get("resumed"):
        notes.append(
            "it was resumed at least once, and maybe painted on meanwhile: this is one training without a break"
        )
    if facts["spec"]["train"].get("steps") is None:
        notes.append("its budget was time, so that the number of steps may differ")
    if (precision := facts["info"].get("precision", "float32")) != "float32":
        notes.append(f"it was trained with {precision} numbers; where they cannot be had, the weights differ")
    return notes


def compare_models(first: Path, second: Path) -> str:
    """Tell in a sentence whether two models are the same, and if not, why not."""
    one, two = read_facts(first), read_facts(second)
    if one["sha256"] == two["sha256"]:
        return f"{second} equals {first}"
    if one["info"]["labels"]["sha256"] != two["info"]["labels"]["sha256"]:
        return f"{second} differs from {first}: other labels"
    steps = [facts["info"]["steps"] for facts in (one, two)]
    other = "another device, processor or version"
    return f"{second} differs from {first}: {steps[1]} steps in place of {steps[0]}, or {other}"
