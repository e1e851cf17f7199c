"""Annotate here next: asks the engine for a place, goes there, and outlines it. No Qt here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.components import Camera, ViewerModel
from napari.layers import Shapes

from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Region
from napari_unet.arrays.squares import Suggestion
from napari_unet.engine.client import Engine
from napari_unet.errors import UserError
from napari_unet.plugin.annotation import MARK
from napari_unet.plugin.keys import Keys
from napari_unet.plugin.layers import check_place, labels_of
from napari_unet.plugin.live import LivePreview
from napari_unet.plugin.plane_layer import insert_quietly
from napari_unet.plugin.selection import Selection
from napari_unet.plugin.work import Work

NAME = "annotate here"
COLOUR = "#F0F0F0"
FILLED = 0.45
"""Part of the shorter side of the canvas that a square fills when it is gone to."""
LINE = 3
"""Width of the outline in pixels of the screen, when it is gone to."""
WHOLE = 2**26
"""Annotation of at most this many elements is looked through for painted slices here; else the engine does."""
UNSURE = ((0.5, "the network is very unsure here"), (0.2, "the network is unsure here"))
STANDS_FOR = (
    (0.25, "much of the image looks like this and is not annotated"),
    (0.05, "some of the image looks like this and is not annotated"),
)
"""In sequences on a dozen images the first had 0.25 to 0.6, the next few 0.05 to 0.15, later ones less."""
UNLIKE = ((0.7, "nothing like this is annotated"), (0.4, "little like this is annotated"))
"""Told of what little else looks like: a rare thing."""
LEAST = "no place needs much more annotation, and this one is worth most"


class Suggesting:
    """Asks for places to annotate next, and shows them.

    Parameters
    ----------
    viewer, selection, live
        What is looked at, which layers are chosen, and which plane is in view.
    engine
        Looks.
    work
        What is at work; the user is told through it.
    model_file
        Tells where the model is that the engine should look with, if it has lost its own.
    same
        Tells whether the layers that are chosen are those of the training at hand.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        selection: Selection,
        live: LivePreview,
        engine: Engine,
        work: Work,
        model_file: Callable[[], Path | None],
        same: Callable[[], bool],
    ) -> None:
        self._viewer, self._selection, self._live = viewer, selection, live
        self._engine, self._work, self._model_file, self._same = engine, work, model_file, same
        self._image: Image | None = None
        """That was asked about."""
        self._before: dict[Region, npt.NDArray[Any] | None] = {}
        """Places that were suggested, and what was painted there."""
        self._outline: Shapes | None = None
        self._keys: list[Keys] = []
        """Escape, while there is an outline."""

    @property
    def outline(self) -> Shapes | None:
        """The layer with the outline, if it is in the viewer."""
        if self._outline is not None and self._outline not in self._viewer.layers:
            self._outline = None
        return self._outline

    def ask(self) -> None:
        """Ask where to annotate next."""
        if self._work.job not in (None, "train", "suggest"):
            self._work.say("Where to annotate next is not known while this runs: wait, or stop it.", "warning")
            return
        if self._work.job == "suggest":
            return
        if self._work.job == "train" and not self._same():
            words = (
                "The training learns from other layers: choose them, or stop it, to see where to annotate next."
            )
            self._work.say(words, "error")
            return
        try:
            image, labels = self._input()
            self._engine.suggest(
                image,
                labels,
                view=self._live.plane,
                shown=self._still_open(),
                planes=None if labels is None else painted_planes(labels),
                model=self._model_file(),
            )
        except UserError as error:
            self._work.say(str(error), "error")
            return
        if self._work.job is None:
            self._work.begin("suggest")
        self._work.say("Looking for the place where annotation is worth most ...")

    def _input(self) -> tuple[Image, Image | None]:
        """Give the image, and the annotation if there is any; another image has no suggestions behind it."""
        image, geometry = self._selection.require()
        if self._image is None or image.data is not self._image.data:
            self._before.clear()
        self._image = image
        layer = self._selection.labels_layer
        if layer is None:
            return image, None
        check_place(layer, image, geometry)
        return image, labels_of(layer, image, geometry, copy_below=0)

    def _still_open(self) -> tuple[Region, ...]:
        """List the places that were suggested, and are annotated as they were then."""
        same = {r: old for r, old in self._before.items() if _equal(old, self._painted(r))}
        self._before = same
        return tuple(same)

    def _painted(self, region: Region) -> npt.NDArray[Any] | None:
        """Copy what is painted in a region: (Y, X)."""
        layer, image, geometry = self._selection.labels_layer, self._image, self._selection.geometry
        if layer is None or image is None or geometry is None:
            return None
        labels = labels_of(layer, image, geometry, copy_below=0)
        t, z, y, x = region.slices
        painted: npt.NDArray[Any] = labels.read(t.start, z, y, x)[0, 0].copy()
        return painted

    def on_suggestion(self, suggestion: Suggestion) -> None:
        """Go to the place that was found, outline it, and say why."""
        image = self._selection.image
        if image is None or self._image is None or image.data is not self._image.data:
            return  # another image was chosen meanwhile
        if suggestion.again:
            self._before.clear()
        self._before[suggestion.region] = self._painted(suggestion.region)
        self._live.show_before(False)
        corners = self._corners(suggestion.region)
        go_to(self._viewer, corners)
        self._draw(suggestion.region)
        self._work.say(why(suggestion, image), "good")

    def _corners(self, region: Region) -> npt.NDArray[np.float64]:
        """First and last pixel of a region in the world: (2, axes of the viewer)."""
        layer = self._selection.image_layer
        assert layer is not None
        ends = []
        for n in (0, 1):
            at = {"T": region.t[0], "Z": region.z[0], "Y": region.y[n] - n, "X": region.x[n] - n}
            axes = self._selection.axes.removesuffix("S")
            ends.append(layer.data_to_world([at.get(a, 0) for a in axes]))
        point = np.tile(np.array(self._viewer.dims.point, float), (2, 1))
        point[:, -layer.ndim :] = ends
        if "C" in axes:  # the channel in view stays
            channel = axes.index("C") - len(axes)
            point[:, channel] = self._viewer.dims.point[channel]
        return point

    def _draw(self, region: Region) -> None:
        """Outline a region, in its plane, leaving selection and brush as they are."""
        geometry = self._selection.geometry
        assert geometry is not None
        self.clear()
        place = geometry.only("YX") if "C" in geometry.axes else geometry
        at = {"T": region.t[0], "Z": region.z[0]}
        (top, bottom), (left, right) = ((a - 0.5, b - 0.5) for a, b in (region.y, region.x))
        corners = ((top, left), (top, right), (bottom, right), (bottom, left))
        lead = [at[a] for a in place.axes if a in at]
        layer = Shapes(
            [[*lead, *corner] for corner in corners],
            shape_type="rectangle",
            name=NAME,
            edge_color=COLOUR,
            face_color="transparent",
            edge_width=LINE / (camera_of(self._viewer).zoom * abs(place.properties["scale"][-1])),
            metadata={MARK: "suggestion"},
            **place.properties,
        )
        layer.editable = False
        insert_quietly(self._viewer, layer, len(self._viewer.layers))
        self._outline = layer
        owners = (self._viewer, self._selection.labels_layer)  # Labels have an Escape of their own
        self._keys = [Keys(owner, {"Escape": self.clear}) for owner in owners if owner is not None]

    def clear(self) -> None:
        """Take the outline away."""
        for keys in self._keys:
            keys.close()
        self._keys = []
        layer, self._outline = self.outline, None
        if layer is not None:
            self._viewer.layers.remove(layer)


def painted_planes(labels: Image) -> tuple[tuple[int, int], ...] | None:
    """Planes (t, z) of labels in memory that hold any; None if they are too large to look through here."""
    if not isinstance(labels.data, np.ndarray) or labels.data.size > WHOLE:
        return None
    places = np.ndindex(labels.size("T"), labels.size("Z"))
    return tuple((t, z) for t, z in places if labels.read(t, slice(z, z + 1)).any())


def go_to(viewer: ViewerModel, corners: npt.NDArray[np.float64]) -> None:
    """Set the sliders to a place, and let it fill a good part of the canvas.

    Parameters
    ----------
    viewer
        Goes there.
    corners
        In the world: (2, axes of the viewer).
    """
    viewer.dims.ndisplay = 2
    viewer.dims.order = tuple(range(viewer.dims.ndim))  # slices along Y and X, in which it was found
    for axis in viewer.dims.not_displayed:
        viewer.dims.set_point(axis, corners[0, axis])
    rows = list(viewer.dims.displayed)
    lengths = np.abs(corners[1, rows] - corners[0, rows])
    camera = camera_of(viewer)
    camera.zoom = FILLED * float((np.array(canvas_size(viewer)) / np.maximum(lengths, 1e-9)).min())
    y, x = corners[:, rows].mean(axis=0).tolist()
    camera.center = (0.0, y, x)


def camera_of(viewer: ViewerModel) -> Camera:
    """Find the camera; napari 0.9 moved it."""
    return getattr(viewer, "scene", viewer).camera


def canvas_size(viewer: ViewerModel) -> tuple[int, int]:
    """Height and width of the canvas; napari 0.9 moved them."""
    canvas = getattr(viewer, "canvas", None)
    height, width = viewer._canvas_size if canvas is None else canvas.size  # noqa: SLF001
    return height, width


def why(suggestion: Suggestion, image: Image) -> str:
    """Say in words why a place was chosen.

    Examples
    --------
    >>> stack = Image(np.zeros((30, 64, 64)), "ZYX")
    >>> place = Region((0, 1), (12, 13), (0, 64), (0, 64))
    >>> why(Suggestion(place, unsure=0.3, unlike=0.9, stands_for=0.02, planes=2, of=30), stack)
    'Slice 12: the network is unsure here, and nothing like this is annotated; 2 of 30 slices looked at.'
    """
    at = [
        f"{w} {r[0]}"
        for a, w, r in (("T", "time", suggestion.region.t), ("Z", "slice", suggestion.region.z))
        if image.size(a) > 1
    ]
    text = ", and ".join(_reasons(suggestion)) or LEAST
    if suggestion.again:
        text = f"every place was shown, so from the first again: {text}"
    if at:
        planes = "planes" if image.size("T") > 1 else "slices"
        text = f"{', '.join(at)}: {text}; {suggestion.planes} of {suggestion.of} {planes} looked at"
    return f"{text[0].upper()}{text[1:]}."


def _reasons(suggestion: Suggestion) -> list[str]:
    """List what speaks for a place; what does not is no reason to go there."""
    unsure = _words(UNSURE, suggestion.unsure)
    like = _words(STANDS_FOR, suggestion.stands_for) or _words(UNLIKE, suggestion.unlike)
    return [words for words in (unsure, like) if words]


def _words(scale: Iterable[tuple[float, str]], value: float) -> str:
    """Find the words for a value; none if it is below all of them."""
    return next((words for least, words in scale if value >= least), "")


def _equal(one: npt.NDArray[Any] | None, two: npt.NDArray[Any] | None) -> bool:
    """Tell whether the same is painted; no annotation layer is as good as an empty one."""
    if one is None or two is None:
        return all(v is None or not v.any() for v in (one, two))
    return np.array_equal(one, two)
