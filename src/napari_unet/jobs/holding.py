"""What is held out of a training for scores, and how it moves as the annotation grows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from napari_unet.arrays import regions
from napari_unet.arrays.targets import IGNORE, Target
from napari_unet.errors import UserError
from napari_unet.events import Note
from napari_unet.jobs.marks import from_tensors, units_before
from napari_unet.jobs.places import Held, Place, beside
from napari_unet.jobs.taken import Taken
from napari_unet.learn import data
from napari_unet.nets import geometry_of
from napari_unet.spec import TrainingSpec


@dataclass(frozen=True)
class Released:
    """What was held out until something was painted there."""

    held: Held
    parts: Mapping[Place, Target]
    """What was annotated in it then, by place."""

    def part(self, place: Place, _: tuple[slice, ...]) -> Target | None:
        """Give what was annotated in it in a plane."""
        return self.parts.get(place)


def hold_out(
    units: Sequence[data.Unit],
    spec: TrainingSpec,
    known: Sequence[int] | None = None,
    *,
    enough: bool = False,
    within: Sequence[Target] | None = None,
) -> list[Held]:
    """Choose what is held out of training: whole regions, spread over the annotated planes.

    Parameters
    ----------
    units
        What is annotated.
    spec
        Complete.
    known, enough, within
        What is held out elsewhere, and learnt from in all; see `regions.hold_out`.
    """
    train = spec.train
    assert train.patch is not None  # filled in by `complete`
    blocks = regions.hold_out(
        [u.target for u in units],
        train.val_fraction,
        len(spec.target.classes),
        block=[max(1, n // 2 - m) for n, m in zip(train.patch, geometry_of(spec.net).margin, strict=True)],
        seed=train.seed,
        known=known,
        enough=enough,
        within=within,
        beside=[[n for n, v in enumerate(units) if beside(u.place, v.place)] for u in units],
    )
    return [(units[b.unit].place, b.box) for b in blocks]


def split(
    units: Sequence[data.Unit], held_out: Sequence[Held], spec: TrainingSpec
) -> tuple[data.PatchSampler, data.Batch | None]:
    """Make the sampler of what is not held out, and the batch of what is.

    Raises
    ------
    UserError
        If nothing is left to learn from.
    """
    train, margin = spec.train, geometry_of(spec.net).margin
    assert train.patch is not None
    number = {u.place: n for n, u in enumerate(units)}
    blocks = [regions.Block(number[p], box) for p, box in held_out if p in number]
    targets = _learnt(units, held_out)
    kept = [n for n, t in enumerate(targets) if (t >= 0).any()]
    if not kept:
        raise UserError("all that is painted is held out for testing: paint more, or hold nothing out (0)")
    sampler = data.PatchSampler(
        [units[n] for n in kept],
        [targets[n] for n in kept],
        train.patch,
        train.augment,
        len(spec.target.classes),
        train.seed,
        margin,
    )
    return sampler, data.held_out_batch(units, blocks, train.patch, margin)


def hold_out_since(
    held_out: Sequence[Held],
    before: Sequence[data.Unit],
    now: Sequence[data.Unit],
    spec: TrainingSpec,
    released: Sequence[Released] = (),
    taken: Taken | None = None,
) -> tuple[list[Held], list[Note]]:
    """Hold out what still can be, and something of what is new; notes say what has changed.

    Parameters
    ----------
    held_out
        What was held out.
    before, now
        What was and what is annotated.
    spec
        Complete.
    released
        What was held out earlier: an undo brings it back.
    taken
        What predictions were taken over: the network that made them would score too well there.
    """
    old: dict[Place, Target] = {u.place: u.target for u in before}
    kept = still_held_out(held_out, lambda place, box: old[place][box] if place in old else None, now)
    back: list[Held] = []
    for gone in released:
        back += [h for h in still_held_out([gone.held], gone.part, now) if not _meets(h, [*kept, *back])]
    kept += back
    more = hold_out_more(kept, _with_taken(old, now, taken or Taken()), now, spec)
    notes = []
    if back:
        notes.append(Note(f"{len(back)} of the places that were held out are as they were: they are again"))
    held_out = [*held_out, *back]
    if changed := len(held_out) - len(kept):
        places = "place has" if changed == 1 else "places have"
        notes.append(Note(f"{changed} held-out {places} changed: what is painted there is learnt from now"))
    if more:
        notes.append(Note(f"{len(more)} of the places painted since are held out for scores"))
    return [*kept, *more], notes


def hold_out_again(
    held_out: Sequence[Held],
    units: Sequence[data.Unit],
    state: Mapping[str, Tensor],
    spec: TrainingSpec,
    taken: Taken | None = None,
) -> tuple[list[Held], list[Note]]:
    """Do the same for a training that goes on, of which marks tell what was annotated when it was saved.

    Parameters
    ----------
    held_out
        What was held out.
    units
        What is annotated now.
    state
        The tensors that were saved; of earlier versions, which had no marks, nothing is known to have changed.
    spec
        Complete.
    taken
        As there.
    """
    marks = from_tensors(state)
    before = units_before(units, marks) if marks else list(units)
    volumes = {(u.place[0], u.place[1]): u for u in units if u.target.ndim == 3}
    shifted = (h if len(h[1]) == 2 else _shifted(*h, volumes.get((h[0][0], h[0][1]))) for h in held_out)
    moved = [h for h in shifted if h is not None]
    found, notes = hold_out_since(moved, before, units, spec, taken=taken)
    if moved and not found and spec.train.val_fraction:
        words = "all held-out places were painted on: they stay held out, and what is painted there is not learnt"
        return moved, [Note(words, warning=True)]
    return found, notes


def _shifted(place: tuple[int, ...], box: tuple[slice, ...], volume: data.Unit | None) -> Held | None:
    """Move a box of a volume that begins elsewhere now; None if it does not reach as far any more."""
    if volume is None:
        return None
    shift = place[2] - volume.place[2]
    moved = slice(box[0].start + shift, box[0].stop + shift)
    return (volume.place, (moved, *box[1:])) if moved.start >= 0 and moved.stop <= len(volume.target) else None


def hold_out_more(
    held_out: Sequence[Held],
    before: Mapping[Place, Target],
    now: Sequence[data.Unit],
    spec: TrainingSpec,
) -> list[Held]:
    """Hold something of what was painted since out as well: if too little is, or nothing of a class.

    Only what is new is taken: what has been learnt would score too well.

    Parameters
    ----------
    held_out
        What is held out so far.
    before
        Targets of what was annotated, by place.
    now
        What is.
    spec
        Complete.
    """
    wanted = spec.train.val_fraction * sum(painted(u.target) for u in now)
    targets, classes = {u.place: u.target for u in now}, len(spec.target.classes)
    known = _per_class([targets[place][box] for place, box in held_out if place in targets], classes)
    enough = bool(2 * known.sum() >= wanted)
    if not wanted or (enough and not _per_class([*targets.values()], classes)[known == 0].any()):
        return []
    new = [replace(u, target=_since(before.get(u.place), u.target)) for u in now]
    painted_now = _per_class([u.target for u in new], classes)
    if not painted_now.any() or (enough and not painted_now[known == 0].any()):
        return []
    share = min(0.5, wanted / float(painted_now.sum()))
    train = spec.train.model_copy(update={"val_fraction": share})
    spec = spec.model_copy(update={"train": train})
    found = hold_out(new, spec, known.tolist(), enough=enough, within=_learnt(now, held_out))
    return [(place, box) for place, box in found if not any(_reached(place, box, u, before) for u in now)]


def _learnt(units: Sequence[data.Unit], held_out: Sequence[Held]) -> list[Target]:
    """Leave of every target what is learnt from: not what is held out, nor what is close to that."""
    return [regions.without(u.target, [box for p, box in held_out if beside(p, u.place)]) for u in units]


def painted(target: Target) -> int:
    """Count the annotated pixels."""
    return int((target != IGNORE).sum())


def _per_class(targets: Sequence[Target], classes: int) -> npt.NDArray[np.int64]:
    """Count the annotated pixels of every class."""
    counts = (np.bincount(t[t != IGNORE], minlength=classes) for t in targets)
    return sum(counts, start=np.zeros(classes, np.int64))


def _since(old: Target | None, new: Target) -> Target:
    """Leave of an annotation what was not there before."""
    if old is None or old.shape != new.shape:
        return new if old is None else np.full_like(new, IGNORE)
    return np.where(old == IGNORE, new, IGNORE).astype(new.dtype)


def _reached(place: Sequence[int], box: tuple[slice, ...], unit: data.Unit, old: Mapping[Place, Target]) -> bool:
    """Tell whether a box holds something that was learnt, there or in a neighbouring slice."""
    target = old.get(unit.place)
    return target is not None and beside(place, unit.place) and painted(target[box]) > 0


def _with_taken(old: Mapping[Place, Target], now: Sequence[data.Unit], taken: Taken) -> dict[Place, Target]:
    """Count what was taken over as annotated before: it is not held out, nor is what lies close to it."""
    found = dict(old)
    for unit in now:
        mask, was = taken.where(unit), found.get(unit.place, np.full_like(unit.target, IGNORE))
        if mask.any() and was.shape == unit.target.shape:
            found[unit.place] = np.where(mask, unit.target, was)
    return found


def _meets(one: Held, others: Sequence[Held]) -> bool:
    """Tell whether a box shares pixels with another one of its plane."""
    place, box = one
    return any(
        place == p and all(a.start < b.stop and b.start < a.stop for a, b in zip(box, other, strict=True))
        for p, other in others
    )


def released_since(held_out: Sequence[Held], now: Sequence[Held], before: Sequence[data.Unit]) -> list[Released]:
    """Note what is no longer held out, with what was annotated there and in neighbouring slices."""
    gone = [h for h in held_out if h not in now]
    return [Released((place, box), _parts(place, box, before)) for place, box in gone]


def _parts(place: Place, box: tuple[slice, ...], units: Sequence[data.Unit]) -> dict[Place, Target]:
    """Cut a box out of a volume, or out of a plane and its neighbours."""
    near = [u for u in units if (u.place == place if len(box) == 3 else beside(place, u.place))]
    return {u.place: u.target[box].copy() for u in near}


def still_held_out(
    held_out: Sequence[Held],
    part: Callable[[Place, tuple[slice, ...]], Target | None],
    now: Sequence[data.Unit],
) -> list[Held]:
    """Keep the held-out boxes in which nothing was painted; move those of volumes that begin elsewhere now.

    Neighbouring slices lose a held-out box as well: what is painted there counts, too.

    Parameters
    ----------
    held_out
        What was held out.
    part
        Gives what was annotated in a box of a place; None if nothing of the place was.
    now
        What is annotated.
    """
    kept: list[Held] = []
    for place, box in held_out:
        if len(box) == 3:
            kept += [found for unit in now if (found := _moved(place, box, part(place, box), unit))]
            continue
        near = [u for u in now if beside(place, u.place)]
        same = (np.array_equal(_filled(part(u.place, box), box), u.target[box]) for u in near)
        if any(u.place == place for u in near) and all(same):
            kept.append((place, box))
    return kept


def _filled(part: Target | None, box: tuple[slice, ...]) -> npt.NDArray[Any]:
    """Give what was annotated in a box; a plane that had no target was not annotated."""
    return np.full([s.stop - s.start for s in box], IGNORE) if part is None else part


def _moved(place: Place, box: tuple[slice, ...], part: Target | None, unit: data.Unit) -> Held | None:
    """Find the box of a volume in the volume as it is now, if nothing was painted in it."""
    shift = place[2] - unit.place[2]
    if unit.place[:2] != place[:2] or part is None or box[0].start + shift < 0:
        return None
    moved = slice(box[0].start + shift, box[0].stop + shift), *box[1:]
    return (unit.place, moved) if np.array_equal(unit.target[moved], part) else None
