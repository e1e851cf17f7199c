"""Train a model from images and painted labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_unet.arrays import regions
from napari_unet.arrays.axes import Image
from napari_unet.errors import UserError
from napari_unet.events import CheckDone, Event, Note
from napari_unet.jobs.completion import check_output, complete, explain, invalid_pixels
from napari_unet.jobs.differing import check_resume, check_start, take_classes
from napari_unet.jobs.encoder import load_imagenet
from napari_unet.jobs.hints import missing_background, start_notes, volume_notes
from napari_unet.jobs.model import Model
from napari_unet.jobs.preview import Previewer
from napari_unet.learn import data, modelfile
from napari_unet.learn.device import choose_device, keep_memory, set_threads
from napari_unet.learn.inference import prepare
from napari_unet.learn.loop import Loop
from napari_unet.learn.losses import balance
from napari_unet.learn.modelfile import Trained
from napari_unet.nets import build, geometry_of
from napari_unet.nets.freeze import freeze
from napari_unet.spec import ClassSpec, TrainingSpec

Held = tuple[tuple[int, ...], tuple[slice, ...]]
"""A held-out box: its plane (pair, t, z) and slices."""
EARLY = 10.0
"""Seconds of training after which it is saved for the first time, checked or not."""
OFTEN = 300.0
"""The most seconds of training between two savings: a process may be killed at any time."""


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
    ) -> None:
        check_output(output)
        self.output = output
        found = data.survey(pairs, spec.target)
        before = self._read_state() if resume else None
        earlier = start.spec if start is not None else before[0] if before is not None else None
        if earlier is not None:
            what = "the start model" if start is not None else "this training"
            found = take_classes(found, spec.target, earlier.target.classes, what)
        self.spec = complete(spec, pairs, found, None if earlier is None else earlier.net)
        if before is not None:
            check_resume(before[0], self.spec)
        self.counts = found.counts
        self.notes = [*explain(self.spec, found, pairs[0][0]), *missing_background(pairs, found, spec.target)]
        self.notes += volume_notes(self.spec.net, pairs[0][0])
        if start is not None:
            self.notes += start_notes(start.spec, self.spec, found.counts)
        units = list(data.load_units(pairs, found, self.spec))
        self.notes += invalid_pixels(units)
        set_threads(spec.train.threads)
        keep_memory()
        torch.manual_seed(spec.train.seed)
        device, words = choose_device(spec.train.device)
        self.notes.append(Note(words))
        self._device = device
        self._held_out = self._hold_out(units, None if before is None else before[2])
        sampler, held_out = self._split(units)
        balanced = balance(sampler.counts) if spec.train.class_balance else None
        network = self._network(start, fetch, goes_on=resume)
        self._loop = Loop(network, sampler, held_out, self.spec, device, balanced)
        self._previewer = Previewer(self.spec, device)
        self._normalisation = units[0].normalisation
        if before is not None:
            self._loop.restore(*before[1:])
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

    def __iter__(self) -> Iterator[Event]:
        yield from self.notes
        try:
            for event in self._loop.run():
                if isinstance(event, CheckDone) or self._loop.progress.seconds >= self._due:
                    self.save()
                yield event
        except GeneratorExit:  # stopped: what was learnt since the last check counts as well
            self._loop.settle()
            raise
        finally:
            self.save()

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
        tensors, facts = self._loop.state()
        held_out = [{"place": list(p), "box": [[s.start, s.stop] for s in box]} for p, box in self._held_out]
        modelfile.write_tensors(self.resume_path, tensors, {**facts, "held_out": held_out})
        self.saved = True

    def model(self, *, best: bool = True) -> Model:
        """Give the model as it is now: the best at a check so far, or the latest."""
        network = build(self.spec.net)
        best = best and bool(self._loop.best)
        network.load_state_dict(self._loop.best if best else self._loop.average.state_dict())
        progress = self._loop.progress
        norm = {"offset": self._normalisation.offset, "scale": self._normalisation.scale}
        info = {
            "steps": progress.step,
            "used_step": self._loop.best_step if best else progress.step,
            "seconds": round(progress.seconds, 1),
            "normalisation_of_first_image": norm,
        }
        return Model(Trained(self.spec, network.cpu().eval(), tuple(self._loop.history), info))

    def preview(self, image: Image, t: int, z: int) -> npt.NDArray[np.float32]:
        """Predict one plane with the weights as they are now.

        Returns
        -------
        ndarray
            float32 (classes, Y, X). A 3D network sees only the neighbourhood of the plane that its halo covers.
        """
        network = prepare(self._loop.average, self.spec.net.ndim, self._device)
        return self._previewer.plane(network, image, t, z)

    @property
    def _margin(self) -> tuple[int, ...]:
        return geometry_of(self.spec.net).margin

    def _hold_out(self, units: list[data.Unit], facts: dict[str, Any] | None) -> list[Held]:
        """Choose what is held out of training; a training that goes on keeps what it held out before."""
        if facts is not None and facts["held_out"]:
            return [(tuple(h["place"]), tuple(slice(*s) for s in h["box"])) for h in facts["held_out"]]
        train = self.spec.train
        assert train.patch is not None  # filled in by `complete`
        blocks = regions.hold_out(
            [u.target for u in units],
            train.val_fraction,
            len(self.classes),
            block=[max(1, n // 2 - m) for n, m in zip(train.patch, self._margin, strict=True)],
            seed=train.seed,
            beside=[[n for n, v in enumerate(units) if beside(u.place, v.place)] for u in units],
        )
        if train.val_fraction and not blocks:
            self.notes.append(Note("too little is painted to hold a part out for testing", warning=True))
        return [(units[b.unit].place, b.box) for b in blocks]

    def _split(self, units: list[data.Unit]) -> tuple[data.PatchSampler, data.Batch | None]:
        """Make the sampler of what is not held out, and the batch of what is."""
        train = self.spec.train
        assert train.patch is not None
        number = {u.place: n for n, u in enumerate(units)}
        blocks = [regions.Block(number[p], box) for p, box in self._held_out if p in number]
        targets = [
            regions.without(u.target, [box for p, box in self._held_out if beside(p, u.place)]) for u in units
        ]
        kept = [n for n, t in enumerate(targets) if (t >= 0).any()]
        if not kept:
            raise UserError("all that is painted is held out for testing: paint more, or hold nothing out (0)")
        sampler = data.PatchSampler(
            [units[n] for n in kept],
            [targets[n] for n in kept],
            train.patch,
            train.augment,
            len(self.classes),
            train.seed,
            self._margin,
        )
        return sampler, data.held_out_batch(units, blocks, train.patch, self._margin)

    def _network(self, start: Model | None, fetch: Callable[[], Path] | None, *, goes_on: bool) -> nn.Module:
        """Build the network: fresh, with the encoder's ImageNet weights, or as a model left it.

        A training that goes on gets its weights later.
        """
        network = build(self.spec.net)
        train = self.spec.train
        if start is not None:
            check_start(start.spec.net, self.spec.net)
            network.load_state_dict(start.trained.network.state_dict())
        elif train.encoder_weights == "imagenet" and not goes_on:
            self.notes.append(load_imagenet(network, self.spec.net, train.encoder_file, fetch))
        elif train.freeze_encoder and not goes_on:
            self.notes.append(Note("the encoder is frozen at random weights: it will not learn", warning=True))
        if train.freeze_encoder:
            freeze(network.get_submodule("encoder"))
        return network

    def _read_state(self) -> tuple[TrainingSpec, dict[str, torch.Tensor], dict[str, Any]]:
        """Read what a training left behind: its spec, tensors, and facts."""
        path = self.resume_path
        if path is None or not path.is_file():
            raise UserError(f"there is nothing to go on from: {path or 'no output file'} does not exist")
        tensors, facts = modelfile.read_tensors(path)
        return TrainingSpec.model_validate(facts["spec"]), tensors, facts


def beside(a: Sequence[int], b: Sequence[int]) -> bool:
    """Tell whether two planes (pair, t, z) are the same or neighbours in Z, which look alike.

    Examples
    --------
    >>> beside((0, 0, 3), (0, 0, 4)), beside((0, 0, 3), (0, 0, 5)), beside((0, 0, 3), (1, 0, 3))
    (True, False, False)
    """
    return a[:2] == b[:2] and abs(a[2] - b[2]) <= 1
