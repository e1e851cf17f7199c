"""Which layers the user works on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from psygnal import Signal

from napari_unet.arrays.axes import Image
from napari_unet.errors import UserError
from napari_unet.plugin.annotation import is_ours
from napari_unet.plugin.layers import Geometry, geometry_of, guess_layer_axes, image_of


class Selection:
    """The chosen image with its axes, and the chosen annotation; follows layers as they come and go.

    Parameters
    ----------
    viewer
        Whose layers.
    """

    changed = Signal()
    """Anything about the choice or the layers to choose from."""
    gone = Signal(str)
    """Name of a chosen layer that was deleted."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self.image_layer: ImageLayer | None = None
        self.labels_layer: LabelsLayer | None = None
        self.axes = ""
        self._told: WeakKeyDictionary[ImageLayer, str] = WeakKeyDictionary()
        """Axes that were told of images."""
        self.image: Image | None = None
        """None while there is none, or its axes do not fit."""
        self.geometry: Geometry | None = None
        self.problem = ""
        """Why there is no image, in words."""
        self._callbacks: list[tuple[Any, Callable[..., None]]] = []
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            self._connect(event, self._layers_changed)
        self._connect(viewer.layers.events.reordered, self._renamed)
        for layer in viewer.layers:
            layer.events.name.connect(self._renamed)
        self._layers_changed()

    def _connect(self, event: Any, callback: Callable[..., None]) -> None:
        event.connect(callback)
        self._callbacks.append((event, callback))

    def close(self) -> None:
        """Stop following the viewer."""
        for event, callback in self._callbacks:
            event.disconnect(callback)
        self._callbacks.clear()
        for layer in self._viewer.layers:
            layer.events.name.disconnect(self._renamed)

    @property
    def images(self) -> list[ImageLayer]:
        """Image layers to choose from, topmost last; our own results are not offered."""
        ours = ("result", "unsure")
        images = [x for x in self._viewer.layers if isinstance(x, ImageLayer)]
        return [x for x in images if not any(is_ours(x, part) for part in ours)]

    @property
    def annotations(self) -> list[LabelsLayer]:
        """Labels layers to choose from."""
        return [x for x in self._viewer.layers if isinstance(x, LabelsLayer) and not is_ours(x, "preview")]

    def choose_image(self, layer: ImageLayer | None) -> None:
        """Choose an image layer; its axes are guessed unless they were told."""
        self.image_layer, self.axes = layer, ""
        if layer is not None:
            self.axes = self._told.get(layer) or _guess(layer)
        self.refresh()

    def tell_axes(self, layer: ImageLayer, axes: str) -> None:
        """Tell the axes of an image that is chosen already, or may be later."""
        self._told[layer] = axes
        if layer is self.image_layer:
            self.choose_image(layer)

    def set_axes(self, axes: str) -> None:
        """Tell the axes of the chosen image."""
        self.axes = axes.strip().upper()
        if self.image_layer is not None:
            self._told[self.image_layer] = self.axes
        self.refresh()

    def choose_labels(self, layer: LabelsLayer | None) -> None:
        """Choose the annotation."""
        self.labels_layer = layer
        self.changed.emit()

    def refresh(self) -> None:
        """Look at the image layer anew: its data, name or scale may have changed."""
        self.image = self.geometry = None
        self.problem = ""
        if self.image_layer is None:
            self.problem = "Open an image first (File > Open Sample has some to try)."
        else:
            try:
                self.image = image_of(self.image_layer, self.axes)
                self.geometry = geometry_of(self.image_layer, self.image.axes)
            except UserError as error:
                self.problem = str(error)
        self.changed.emit()

    def require(self) -> tuple[Image, Geometry]:
        """Return the image as it is now.

        Raises
        ------
        UserError
            If there is none.
        """
        self.refresh()
        if self.image is None or self.geometry is None:
            raise UserError(self.problem)
        return self.image, self.geometry

    def _layers_changed(self, event: Any = None) -> None:
        layer = getattr(event, "value", None)
        if layer is not None and event.type == "inserted":
            layer.events.name.connect(self._renamed)
        if self.labels_layer is not None and self.labels_layer not in self._viewer.layers:
            self.gone.emit(self.labels_layer.name)
            self.labels_layer = None
        images = self.images
        if self.image_layer not in images:
            if self.image_layer is not None:
                self.gone.emit(self.image_layer.name)
            self.choose_image(images[-1] if images else None)
        else:
            self.changed.emit()

    def _renamed(self) -> None:
        self.changed.emit()


def _guess(layer: ImageLayer) -> str:
    try:
        return guess_layer_axes(layer)
    except UserError:
        return "?" * int(layer.ndim)  # looking at the image says what is wrong
