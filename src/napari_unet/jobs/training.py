"""Train a model from images and painted labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Region
from napari_unet.arrays.squares import Suggestion
from napari_unet.arrays.taken_values import TakenPart
from napari_unet.errors import UserError
from napari_unet.events import LEARNT_AGAIN, CheckDone, Event, Note
from napari_unet.jobs.beginning import begin, hold
from napari_unet.jobs.completion import check_output, complete, explain, for_classes, invalid_pixels
from napari_unet.jobs.differing import check_resume, classes_since, given_classes
from napari_unet.jobs.hints import missing_background, start_notes, volume_notes
from napari_unet.jobs.holding import (
    Released,
    hold_out,
    hold_out_again,
    hold_out_since,
    released_since,
    split,
)
from napari_unet.jobs.marks import marks_differ, marks_of, to_tensors
from napari_unet.jobs.model import Model
from napari_unet.jobs.places import Held
from napari_unet.jobs.preview import Previewer
from napari_unet.jobs.provenance import Provenance
from napari_unet.jobs.suggesting import SECONDS, Search, Suggester
from napari_unet.jobs.taken import Taken
from napari_unet.learn import data, modelfile
from napari_unet.learn.device import choose_device, keep_memory, set_threads
from napari_unet.learn.inference import prepare
from napari_unet.learn.loop import Loop
from napari_unet.learn.losses import balance
from napari_unet.learn.modelfile import Trained
from napari_unet.learn.painted import PaintedLabels
from napari_unet.learn.precision import learns_in_half, number_type, predicts_in_half
from napari_unet.learn.prior import prior_of
from napari_unet.learn.resuming import restore, state_of
from napari_unet.learn.start import fitting_rows
from napari_unet.learn.turns import learnt_mirrors
from napari_unet.nets import build
from napari_unet.spec import ClassSpec, Mirrors, TrainingSpec
from napari_unet.storage.foreign import check_not_foreign
from napari_unet.storage.opened import file_of

MUCH = 0.2
"""Change of what is painted, as a part of it, after which the worth of classes and start is measured anew."""
EARLY = 10.0
"""Seconds of training after which it is saved for the first time, checked or not."""
OFTEN = 300.0
"""The most seconds of training between two savings: a process may be killed at any time."""
REMEMBERED = 50
"""Places that were held out and are not, of which is known what was annotated there."""


class Training:
    """One training. Making it checks the input; iterating trains; leaving the iteration stops it.

    Parameters
    ----------
    pairs
        Images and labels with the same T, Z, Y and X.
    spec
        What to do. Classes and channels are filled in from the data: see the attribute ``spec`` afterwards.
    output
        Model file to keep up to date: after `EARLY` seconds, at every check, and at the end. The state for going
        on later lies beside it, as ``<name>.resume.safetensors``.
    resume
        Go on from that state.
    start
        A model whose weights are the start, if its network is the same.
    fetch
        Downloads ImageNet weights that are missing; called when all else has been checked. None: nothing is.

    Raises
    ------
    UserError
        If images, labels and spec do not fit together, or nothing can be learnt from the labels.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[Image, Image]],
        spec: TrainingSpec,
        *,
        output: Path | None = None,
        resume: bool = False,
        start: Model | None = None,
        fetch: Callable[[], Path] | None = None,
        taken: Sequence[TakenPart] = (),
    ) -> None:
        check_output(output)
        if output is not None:
            check_not_foreign(output)
        self.output = output
        files = [file_of(labels) for _, labels in pairs]
        self._labels = [PaintedLabels.of(labels) for _, labels in pairs]
        pairs = [(image, labels) for (image, _), labels in zip(pairs, self._labels, strict=True)]
        self._pairs, self._asked = pairs, spec
        self._painted: set[tuple[int, int, int]] = set()
        """Planes that were painted on since `take_up`."""
        self._refused = False
        """What was painted last could not be learnt."""
        self._released: list[Released] = []
        """What was held out before it was painted on."""
        found = data.survey(pairs, spec.target)
        before = self._read_state() if resume else None
        earlier = start.spec if start is not None else before[0] if before is not None else None
        self._taken = Taken() if before is None else Taken.of(before[1], self._labels)
        self._taken.add(taken, self._labels)
        self._given = given_classes(None if start is None else start.spec, before)
        """The classes of the model that it starts from: they stay, painted or not."""
        if earlier is not None and not spec.target.classes:
            found = classes_since(earlier.target.classes, found, self._given)
        others = before is not None and not spec.target.classes and found.classes != before[0].target.classes
        at_first = replace(found, classes=before[0].target.classes) if before is not None and others else found
        self.spec = complete(spec, pairs, at_first, None if earlier is None else earlier.net)
        if before is not None:
            check_resume(before[0], self.spec)
        self.notes = [*explain(self.spec, found, pairs[0][0]), *missing_background(pairs, found, spec.target)]
        self.notes += volume_notes(self.spec.net, pairs[0][0])
        if start is not None:
            self.notes += start_notes(start.spec, self.spec, found.counts)
        self._found = found
        self._provenance = Provenance(
            pairs, found.planes, files, None if start is None else start.facts, resumed=resume
        )
        held_before = [] if before is None else _held_before(before[2])
        units = [self._taken.spare(u, held_before) for u in data.load_units(pairs, found, self.spec)]
        self._units = units
        self.notes += invalid_pixels(units)
        set_threads(spec.train.threads)
        keep_memory()
        torch.manual_seed(spec.train.seed)
        device, found_device = choose_device(spec.train.device)
        half = learns_in_half(self.spec, device)
        self.notes.append(Note(found_device))
        self._device = device
        of_all = for_classes(self.spec, found.classes)  # the targets hold those that are new as well
        if before is None:
            self._held_out = hold_out(units, of_all)
        else:
            self._held_out, changed = hold_out_again(held_before, units, before[1], of_all, self._taken)
            self.notes += changed
        if spec.train.val_fraction and not self._held_out:
            little = "too little is painted to hold a part out for scores: they begin when there is more"
            self.notes.append(Note(little, warning=True))
        sampler, held_out = split(units, self._held_out, of_all)
        begun = begin(self.spec, start, fetch, goes_on=resume)
        state = None if before is None else before[1]
        anchor, words = (None, ()) if others else hold(begun, self.spec, sampler, state, given=bool(self._given))
        self._measured = sum(sampler.counts)
        self.notes += [*begun.notes, *words]
        weights = None if anchor is None else anchor.weights
        if spec.train.class_balance:
            weights = balance(sampler.counts)
        self._loop = Loop(begun.network, sampler, held_out, self.spec, device, weights, anchor, half=half)
        self._previewer = Previewer(self.spec, device)
        self._normalisation = units[0].normalisation
        if before is not None:
            restore(self._loop, *before[1:])
            if others:
                self.notes += self._learn_classes(found.classes, sampler, held_out)
            elif marks_differ(marks_of(units), before[1]):
                self._loop.begin_anew(other=self._held_out != held_before)
            else:
                self._loop.judge_again()
        self._begun = self._loop.progress.step
        self._due = self._loop.progress.seconds + EARLY
        self.saved = False
        """The model has been written to ``output``."""
        self._replaces = self.output is not None and self.output.exists() and not resume

    @property
    def classes(self) -> tuple[ClassSpec, ...]:
        """The classes that are learnt."""
        return self.spec.target.classes

    @property
    def resume_path(self) -> Path | None:
        """Where the state for going on later is kept."""
        return None if self.output is None else self.output.with_suffix(".resume.safetensors")

    @property
    def mirrors(self) -> Mirrors:
        """Number of mirror images that it learns from, the image itself counted."""
        return learnt_mirrors(self.spec.train.augment)

    def __iter__(self) -> Iterator[Event]:
        yield from self.notes
        try:
            loop = None
            while loop is not self._loop:  # other classes are learnt by another network
                loop = self._loop
                for event in loop.run():
                    if isinstance(event, CheckDone) or loop.progress.seconds >= self._due:
                        self.save()
                    yield event
                    if loop is not self._loop:
                        break
        except GeneratorExit:  # stopped: what was learnt since the last check counts as well
            self.settle()
            raise
        finally:
            self.save()

    def settle(self) -> list[Event]:
        """Score what was learnt since the last check; leaving the iteration does it, and tells nobody."""
        return self._loop.settle()

    def save(self) -> None:
        """Write the model and the state for going on, if an output was given and anything sound was learnt.

        The first time, a model of that name from another training is kept as ``<name>.previous.safetensors``.
        """
        if self.output is None or self.resume_path is None or self._loop.progress.step == self._begun:
            return
        if not self._loop.is_sound():
            return
        self._due = self._loop.progress.seconds + OFTEN
        if self._replaces:
            self.output.replace(self.output.with_suffix(".previous.safetensors"))
            self._replaces = False
        self.model().save(self.output)
        tensors, facts = state_of(self._loop)
        held_out = [{"place": list(p), "box": [[s.start, s.stop] for s in box]} for p, box in self._held_out]
        tensors |= to_tensors(marks_of(self._units)) | self._taken.to_tensors(self._labels, self._ever_held_out)
        given = [c.model_dump(mode="json") for c in self._given]
        modelfile.write_tensors(self.resume_path, tensors, {**facts, "held_out": held_out, "given": given})
        self.saved = True

    def model(self, *, best: bool = True) -> Model:
        """Give the model as it is now: the best at a check so far, or the latest."""
        with torch.random.fork_rng(devices=[]):  # the training draws the same numbers as without this
            network = build(self.spec.net)
        best = best and bool(self._loop.best)
        network.load_state_dict(self._loop.best if best else self._loop.offered().state_dict())
        progress = self._loop.progress
        norm = {"offset": self._normalisation.offset, "scale": self._normalisation.scale}
        info = {
            "steps": progress.step,
            "used_step": self._loop.best_step if best else progress.step,
            "seconds": round(progress.seconds, 1),
            "precision": str(number_type(self._device, half=self._loop.half)).removeprefix("torch."),
            "normalisation_of_first_image": norm,
            "spacing_of_first_image": list(self._pairs[0][0].spacing),
            **self._provenance.facts(),
        }
        trained = Trained(self.spec, network.cpu().eval(), tuple(self._loop.history), info)
        return Model(trained, self.output if best and self.saved else None)

    def preview(self, image: Image, t: int, z: int, mirror: int = 0) -> npt.NDArray[np.float32]:
        """Predict one plane with the weights as they are now, through a mirror image; see `Previewer.plane`.

        Returns
        -------
        ndarray
            float32 (classes, Y, X). A 3D network sees only the neighbourhood of the plane that its halo covers.
        """
        return self._previewer.plane(self._prepared(), image, t, z, mirror)

    def _prepared(self) -> nn.Module:
        """Give the network as it is now, made ready for inference."""
        half = predicts_in_half("auto", self.spec, self._device)
        return prepare(self._loop.offered(), self.spec.net.ndim, self._device, half=half)

    def suggest(
        self, view: tuple[int, int], shown: Sequence[Region] = (), seconds: float = SECONDS
    ) -> Iterator[Suggestion | None]:
        """Look for the place in the first image to annotate next, with the weights as they are now.

        Parameters
        ----------
        view
            Plane (t, z) that is looked at in any case.
        shown
            Suggested before, and not annotated since.
        seconds
            How long to look.

        Yields
        ------
        Suggestion or None
            None after every piece of the image, so that steps may be made meanwhile; the suggestion at the end.
        """
        known = next((u.normalisation for u in self._units if u.place[0] == 0), None)
        planes = {(t, z) for pair, t, z in (*self._found.planes, *self._painted) if pair == 0}
        search = Search(self._pairs[0][0], self._labels[0], view, tuple(shown), tuple(sorted(planes)), seconds)
        yield from Suggester(self.spec, self._device, known).look(self._prepared(), search)

    def paint(self, t: int, z: int, y: int, x: int, values: npt.NDArray[Any], *, taken: bool = False) -> None:
        """Change the labels of the first image; `take_up` brings it into the training.

        Parameters
        ----------
        t, z
            The plane.
        y, x
            Place of the first value.
        values
            (Y, X), of the labels' type; 0 takes annotation away.
        taken
            What changes are predictions that were taken over: they are learnt, but never held out.
        """
        now = self._labels[0].read(t, slice(z, z + 1))[0, 0]
        at = slice(y, y + len(values)), slice(x, x + values.shape[1])
        self._taken.note((0, t, z), at, now[at] != values, now.shape, taken=taken)
        self._labels[0].paint(t, z, y, x, values)
        self._painted.add((0, t, z))

    @property
    def _ever_held_out(self) -> list[Held]:
        """Now, or before it was painted on: an undo brings it back, with what was taken over in it left out."""
        return [*self._held_out, *(gone.held for gone in self._released)]

    def take_up(self) -> list[Note]:
        """Learn from now on from what was painted since; notes say what it changes.

        What was held out for scores and is painted on is learnt from: whoever paints there wants to see it learnt.
        """
        if not self._painted:
            return []
        places = self._painted  # if they cannot be learnt now, they are looked at again with the next ones
        try:
            found = data.survey_again(self._found, self._pairs, self._asked.target, places)
            found = classes_since(self.classes, found, self._given)
            known = {u.place[0]: u.normalisation for u in self._units}
            new = list(data.load_units(self._pairs, found, self.spec, known=known, only=places))
            kept = [u for u in self._units if not data.is_of(u.place, places, self.spec.net.ndim)]
            new = [self._taken.spare(u, self._ever_held_out) for u in new]
            units = sorted(kept + new, key=lambda u: u.place)
            of_all = for_classes(self.spec, found.classes)
            held_out, words = hold_out_since(
                self._held_out, self._units, units, of_all, self._released, self._taken
            )
            sampler, batch = split(units, held_out, of_all)
        except UserError as error:
            self._refused = True
            return [Note(f"what was painted last is not learnt: {error}", warning=True)]
        refused, self._refused = self._refused, False
        self._painted = set()
        self._released = (self._released + released_since(self._held_out, held_out, self._units))[-REMEMBERED:]
        words += [Note(LEARNT_AGAIN)] if refused else []
        self._provenance.look(places)
        other = held_out != self._held_out
        self._found, self._units, self._held_out = found, units, held_out
        sampler.follow(self._loop.sampler)
        if found.classes != self.classes:
            return [*words, *self._learn_classes(found.classes, sampler, batch)]
        self._loop.learn_from(sampler, batch)
        self._loop.begin_anew(other=self._weigh(sampler) or other)
        return words

    def _weigh(self, sampler: data.PatchSampler) -> bool:
        """Look anew at what classes and start are worth, if much was painted since; tells whether it was."""
        painted, loop = sum(sampler.counts), self._loop
        if abs(painted - self._measured) < MUCH * self._measured:
            return False
        self._measured = painted
        if loop.anchor is not None:
            assert self.spec.train.patch is not None
            loop.anchor.measure(sampler.units, sampler.targets, self.spec.train.patch)
            loop.class_weights = loop.anchor.weights
            loop.prior = prior_of(self.spec, loop.anchor)
        if self.spec.train.class_balance:
            loop.class_weights = balance(sampler.counts)
        return True

    def _learn_classes(
        self, classes: tuple[ClassSpec, ...], sampler: data.PatchSampler, held_out: data.Batch | None
    ) -> list[Note]:
        """Go on with a network that tells more classes apart, or fewer."""
        before, old, outputs = self.classes, self._loop, self.spec.net.outputs
        self.spec = for_classes(self.spec, classes)
        begun = begin(self.spec, None, None, goes_on=False)
        anchor, words = hold(begun, self.spec, sampler, None, given=bool(self._given))
        rows = fitting_rows(before, outputs, classes, self.spec.net.outputs)
        self._loop = old.with_classes(self.spec, begun.network, rows, sampler, held_out, anchor)
        if self.spec.train.class_balance:
            self._loop.class_weights = balance(sampler.counts)
        self._previewer = Previewer(self.spec, self._device)
        new, gone = (", ".join(c.name for c in a if c not in b) for a, b in ((classes, before), (before, classes)))
        told = f"new in the annotation: {new}; the network learns it from now on" if new else ""
        told = told or f"no longer in the annotation: {gone}; the network leaves it out from now on"
        return [Note(told), *words]

    def _read_state(self) -> tuple[TrainingSpec, dict[str, torch.Tensor], dict[str, Any]]:
        """Read what a training left behind: its spec, tensors, and facts."""
        path = self.resume_path
        if path is None or not path.is_file():
            raise UserError(f"there is nothing to go on from: {path or 'no output file'} does not exist")
        tensors, facts = modelfile.read_tensors(path)
        return TrainingSpec.model_validate(facts["spec"]), tensors, facts


def _held_before(facts: dict[str, Any]) -> list[Held]:
    """Read what a training that goes on held out."""
    return [(tuple(h["place"]), tuple(slice(*s) for s in h["box"])) for h in facts["held_out"] or ()]
