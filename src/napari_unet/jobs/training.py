"""Train a model from images and painted labels."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from napari_unet.arrays import regions
from napari_unet.arrays.axes import ArrayLike, Image
from napari_unet.arrays.tiles import round_up
from napari_unet.errors import UserError
from napari_unet.events import CheckDone, Event, Note
from napari_unet.jobs.model import Model, as_image
from napari_unet.jobs.preview import Previewer
from napari_unet.learn import data, modelfile, predictor
from napari_unet.learn.device import choose_device, keep_memory, set_threads
from napari_unet.learn.loop import Loop
from napari_unet.learn.modelfile import Trained
from napari_unet.nets import NETS, build, geometry
from napari_unet.spec import (
    ClassSpec,
    Device,
    NetSpec,
    NormalisationSpec,
    Style,
    TargetSpec,
    TrainingSpec,
    TrainSpec,
)

PATCH = {2: (192, 192), 3: (24, 80, 80)}
"""Default patch sizes per number of dimensions."""


Held = tuple[tuple[int, ...], tuple[slice, ...]]
"""A held-out box: its plane (pair, t, z) and slices."""
State = tuple[dict[str, torch.Tensor], dict[str, Any]]


class Training:
    """One training. Making it checks the input; iterating trains; leaving the iteration stops it.

    Parameters
    ----------
    pairs
        Images and labels with the same T, Z, Y and X.
    spec
        What to do. Classes and channels are filled in from the data: see the attribute ``spec`` afterwards.
    output
        Model file to keep up to date at every check and at the end. The state for going on later lies beside it,
        as ``<name>.resume.safetensors``.
    resume
        Go on from that state.
    start
        A model whose weights are the start, if its network is the same.

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
    ) -> None:
        check_output(output)
        found = data.survey(pairs, spec.target)
        self.spec = complete(spec, pairs, found)
        self.counts = found.counts
        self.output = output
        self.notes = [*_notes(found, spec.target)]
        units = list(data.load_units(pairs, found, self.spec))
        self.notes += _invalid(units)
        before = self._read_state() if resume else None
        set_threads(spec.train.threads)
        keep_memory()
        torch.manual_seed(spec.train.seed)
        device, words = choose_device(spec.train.device)
        self.notes.append(Note(words))
        self._device = device
        self._held_out = self._hold_out(units, before)
        self._loop = Loop(build(self.spec.net), *self._split(units), self.spec, device)
        self._previewer = Previewer(self.spec, device)
        self._normalisation = units[0].normalisation
        if start is not None:
            self._start_from(start)
        if before is not None:
            self._loop.restore(*before)
            self._loop.judge_again()
        self._begun = self._loop.progress.step
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
                if isinstance(event, CheckDone):
                    self.save()
                yield event
        except GeneratorExit:  # stopped: what was learnt since the last check counts as well
            self._loop.settle()
            raise
        finally:
            self.save()

    def save(self) -> None:
        """Write the model and the state for going on, if an output was given and anything was learnt.

        The first time, a model of that name from another training is kept as ``<name>.previous.safetensors``.
        """
        if self.output is None or self.resume_path is None or self._loop.progress.step == self._begun:
            return
        if self._replaces:
            self.output.replace(self.output.with_suffix(".previous.safetensors"))
            self._replaces = False
        self.model().save(self.output)
        tensors, facts = self._loop.state()
        held_out = [{"place": list(p), "box": [[s.start, s.stop] for s in box]} for p, box in self._held_out]
        modelfile.write_tensors(self.resume_path, tensors, {**facts, "held_out": held_out})

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
        network = predictor.prepare(self._loop.average, self.spec.net.ndim, self._device)
        return self._previewer.plane(network, image, t, z)

    def _hold_out(self, units: list[data.Unit], before: State | None) -> list[Held]:
        """Choose what is held out of training; a training that goes on keeps what it held out before."""
        if before is not None and before[1]["held_out"]:
            kept = before[1]["held_out"]
            return [(tuple(h["place"]), tuple(slice(*s) for s in h["box"])) for h in kept]
        train = self.spec.train
        assert train.patch is not None  # filled in by `complete`
        blocks = regions.hold_out(
            [u.target for u in units],
            train.val_fraction,
            len(self.classes),
            block=[max(1, n // 2) for n in train.patch],
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
        )
        return sampler, data.held_out_batch(units, blocks, train.patch)

    def _start_from(self, start: Model) -> None:
        if start.spec.net != self.spec.net:
            raise UserError(
                f"the start model's network differs: it is {start.spec.net!r}, needed is {self.spec.net!r}"
            )
        for network in (self._loop.network, self._loop.average):
            network.load_state_dict(start.trained.network.state_dict())

    def _read_state(self) -> State:
        path = self.resume_path
        if path is None or not path.is_file():
            raise UserError(f"there is nothing to go on from: {path or 'no output file'} does not exist")
        tensors, facts = modelfile.read_tensors(path)
        before = TrainingSpec.model_validate(facts["spec"])
        if before.net != self.spec.net or before.target != self.spec.target:
            raise UserError(f"{path} belongs to a training with another network or other classes; train anew")
        return tensors, facts


def beside(a: Sequence[int], b: Sequence[int]) -> bool:
    """Tell whether two planes (pair, t, z) are the same or neighbours in Z, which look alike.

    Examples
    --------
    >>> beside((0, 0, 3), (0, 0, 4)), beside((0, 0, 3), (0, 0, 5)), beside((0, 0, 3), (1, 0, 3))
    (True, False, False)
    """
    return a[:2] == b[:2] and abs(a[2] - b[2]) <= 1


def _invalid(units: Sequence[data.Unit]) -> Iterator[Note]:
    for unit in units:
        if unit.invalid:
            pair, t, z = unit.place
            where = f"image {pair + 1}, t = {t}, z = {z}"
            yield Note(f"{unit.invalid} pixels are NaN or infinite ({where}): they are left out", warning=True)


def check_output(output: Path | None) -> None:
    """Raise `UserError` unless a model can be written there."""
    if output is None:
        return
    if output.suffix != ".safetensors":
        raise UserError(f"a model file ends in .safetensors, got '{output.name}'")
    if not output.parent.is_dir():
        raise UserError(f"the folder {output.parent} does not exist")
    try:
        with tempfile.TemporaryFile(dir=output.parent):
            pass
    except OSError as error:
        raise UserError(f"cannot write into the folder {output.parent}: {error.strerror}") from error


def complete(spec: TrainingSpec, pairs: Sequence[tuple[Image, Image]], found: data.Survey) -> TrainingSpec:
    """Fill in what the data tell: classes, channels, patch size."""
    channels = {image.size("C") for image, _ in pairs}
    if len(channels) != 1:
        raise UserError(f"the images have different numbers of channels: {sorted(channels)}")
    net = spec.net.model_copy(update={"in_channels": channels.pop(), "classes": len(found.classes)})
    target = spec.target.model_copy(update={"classes": found.classes})
    stride = geometry.stride(net)
    patch = spec.train.patch
    if patch is not None and (len(patch) != net.ndim or any(p % s for p, s in zip(patch, stride, strict=True))):
        raise UserError(f"patch {patch} must have {net.ndim} lengths, each a multiple of {stride[0]}")
    if patch is None:
        largest = [max(image.shape[5 - net.ndim + a] for image, _ in pairs) for a in range(net.ndim)]
        patch = tuple(min(p, round_up(n, s)) for p, n, s in zip(PATCH[net.ndim], largest, stride, strict=True))
    train = spec.train.model_copy(update={"patch": patch})
    return spec.model_copy(update={"net": net, "target": target, "train": train})


def _notes(found: data.Survey, target: TargetSpec) -> Iterator[Note]:
    names = ", ".join(c.name for c in found.classes)
    pixels = sum(found.counts.values())
    rest = {"ignore": "", "background": ", the rest is background", "boundary": ", the rest is boundary"}
    slices = f"{len(found.planes)} slice" + ("s" if len(found.planes) != 1 else "")
    yield Note(f"learning {names} from {pixels} painted pixels in {slices}{rest[found.unpainted]}")
    if found.unpainted == "boundary" and target.unpainted == "auto":
        cure = "if they are narrow background, say so (unpainted: background)"
        yield Note(f"unpainted pixels are thin lines between cells: taken as boundary; {cure}")


def train(
    image: ArrayLike | Image | Sequence[ArrayLike | Image],
    labels: ArrayLike | Image | Sequence[ArrayLike | Image],
    style: Style = "classes",
    net: str = "unet",
    seconds: float | None = None,
    *,
    steps: int | None = None,
    axes: str | None = None,
    dense: bool = False,
    unpainted: Literal["auto", "background", "boundary"] = "auto",
    background_value: int | None = None,
    classes: Sequence[ClassSpec] = (),
    base: int | None = None,
    depth: int | None = None,
    up: Literal["transposed", "resize"] | None = None,
    rim: int = 1,
    weight_map: bool = False,
    val_fraction: float = 0.1,
    normalisation: Literal["percentile", "meanstd", "none"] = "meanstd",
    device: Device = "auto",
    seed: int = 0,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    start: Model | None = None,
    on_event: Callable[[Event], None] | None = None,
    **options: Any,
) -> Model:
    """Train a model from an image and painted labels, and return the best one.

    Parameters
    ----------
    image
        numpy, dask or zarr array, or a list of them.
    labels
        Integers, with the image's axes but its channels; 0 is not annotated.
    style
        ``classes``: a value is a class (1 = cell, 2 = boundary, 3 = background). ``cells``: a value is a cell.
    net
        Name of the network, see ``napari-unet nets``.
    seconds, steps
        Budget, one of the two; 60 seconds if neither is given.
    axes
        Of the image, for instance ``"CZYX"``; guessed if None.
    dense
        Style ``cells``: unpainted pixels are background.
    unpainted
        With ``dense``: what unpainted pixels are. ``auto`` takes them as boundary if they are thin everywhere.
    background_value
        Style ``cells``: the label value of background strokes.
    classes
        Names and roles, if they are not the default.
    base, depth, up
        Width of the first level, number of poolings and way upwards, if not the network's default.
    rim
        Style ``cells``: pixels of a cell, from its rim inwards, that are its boundary.
    weight_map
        Weight the loss by the border map of the 2015 paper.
    val_fraction
        Part of the annotation that is held out and scored.
    normalisation
        How grey values are normalised.
    device
        ``auto`` takes a GPU if there is one.
    seed
        The same seed (with ``steps``, on the CPU) gives the same model.
    output
        Model file to keep up to date while training.
    resume
        A model file trained before with ``output``: go on with it.
    start
        A model to start from.
    on_event
        Called with every event.
    **options
        Further fields of `TrainSpec`: ``patch``, ``batch``, ``learning_rate``, ``augment`` ...

    Raises
    ------
    UserError
        If images and labels do not fit together, or nothing can be learnt from them.
    """
    images, annotations = (v if isinstance(v, list | tuple) else [v] for v in (image, labels))
    if len(images) != len(annotations):
        raise UserError(f"{len(images)} images but {len(annotations)} label images")
    pairs = []
    for i, a in zip(images, annotations, strict=True):
        known = as_image(i, axes)
        pairs.append((known, as_labels(a, known)))
    shape = {k: v for k, v in (("base", base), ("depth", depth), ("up", up)) if v is not None}
    spec = TrainingSpec(
        target=TargetSpec(
            style=style,
            classes=tuple(classes),
            dense=dense,
            unpainted=unpainted,
            background_value=background_value,
            rim=rim,
            weight_map=weight_map,
        ),
        net=net_spec(net, **shape),
        train=TrainSpec(
            seconds=seconds, steps=steps, val_fraction=val_fraction, device=device, seed=seed, **options
        ),
        normalisation=NormalisationSpec(method=normalisation),
    )
    if resume is not None and output is not None:
        raise UserError("give 'resume' or 'output', not both: a resumed training goes on in its own file")
    path = resume if resume is not None else output
    job = Training(
        pairs, spec, output=None if path is None else Path(path), resume=resume is not None, start=start
    )
    for event in job:
        if on_event is not None:
            on_event(event)
    return job.model()


def net_spec(name: str, **fields: Any) -> NetSpec:
    """Spec of a network by name.

    Raises
    ------
    UserError
        If there is no such network.
    """
    if name not in NETS:
        raise UserError(f"there is no network '{name}'; there are: {', '.join(NETS)}")
    return NETS[name][0](**fields)


def as_labels(labels: ArrayLike | Image, image: Image) -> Image:
    """Tell the axes of labels: the image's, without its channels, unless they are told."""
    if isinstance(labels, Image):
        return labels
    if len(labels.shape) != len(image.result_axes):
        raise UserError(
            f"the labels have shape {tuple(labels.shape)}, the image {tuple(image.data.shape)} ({image.axes}); "
            f"labels need the axes {image.result_axes}"
        )
    return Image(labels, image.result_axes, image.spacing, "labels")
