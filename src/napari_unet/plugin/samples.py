"""Sample data for napari's File > Open Sample."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import napari
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QMessageBox

from napari_unet.errors import UserError
from napari_unet.plugin.annotation import MARK, is_ours
from napari_unet.plugin.colours import class_colormap
from napari_unet.spec import DEFAULT_CLASSES
from napari_unet.storage.samples import SAMPLES, Sample, SampleData, load_sample

TRUTH = "truth"
"""Part of a sample that the network is to find."""

LayerData = tuple[Any, dict[str, Any], str]


def ask(sample: Sample) -> bool:
    """Show the terms of use of a sample and ask whether to download it; False where there is no window."""
    if QApplication.instance() is None:
        return False
    box = QMessageBox()
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("Download a sample?")
    box.setText(f"<b>{sample.title}</b>")
    box.setInformativeText(
        f"{sample.description}\n\nLicence: {sample.licence}.\nSource: {sample.source}.\n\n"
        "It is not on this machine. Download it (some MB) and accept these terms?"
    )
    box.setStandardButtons(QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No)
    return bool(box.exec() == QMessageBox.StandardButton.Yes)


def open_sample(name: str, consent: Callable[[Sample], bool] = ask) -> list[LayerData]:
    """Give a sample as napari layers: the image, and its labels, hidden.

    Parameters
    ----------
    name
        A key of `SAMPLES`.
    consent
        Asked before a download.

    Raises
    ------
    UserError
        If it is not on this machine and was not allowed or able to be downloaded.
    """
    sample = SAMPLES[name]
    try:
        data = load_sample(name)
    except UserError:
        if sample.bundled or not consent(sample):
            raise
        data = load_sample(name, download=True)
    if QApplication.instance() is not None:  # napari adds the layers when it has them
        QTimer.singleShot(0, select_image)
    return layers_of(data)


def select_image() -> None:
    """Select the image of a sample instead of its labels, which napari has added last."""
    viewer = napari.current_viewer()
    active = viewer.layers.selection.active if viewer is not None else None
    if viewer is not None and active is not None and is_ours(active, TRUTH):
        viewer.layers.selection.active = viewer.layers[viewer.layers.index(active) - 1]


def layers_of(data: SampleData) -> list[LayerData]:
    """Turn a sample into napari layers, with voxel sizes, units and axis names."""
    spatial = dict(zip("ZYX", data.spacing, strict=True))
    axes = data.axes.removesuffix("S")
    common: dict[str, Any] = {
        "scale": tuple(spatial.get(a, 1.0) for a in axes),
        "units": tuple(data.unit if a in spatial else "pixel" for a in axes),
        "axis_labels": tuple(a.lower() for a in axes),
    }
    about = {"licence": data.sample.licence, "source": data.sample.source, "cite": data.sample.cite}
    name = data.sample.name
    labels: dict[str, Any] = {
        **common,
        "name": f"{name} truth",
        "visible": False,
        "metadata": {**about, MARK: TRUTH},
    }
    if data.sample.style == "classes":
        labels["colormap"] = class_colormap(DEFAULT_CLASSES)
    return [
        (data.image, {**common, "name": name, "metadata": about}, "image"),
        (data.labels, labels, "labels"),
    ]


nuclei_1 = partial(open_sample, "nuclei-1")
nuclei_2 = partial(open_sample, "nuclei-2")
nuclei_3 = partial(open_sample, "nuclei-3")
nuclei_4 = partial(open_sample, "nuclei-4")
nuclei_5 = partial(open_sample, "nuclei-5")
nuclei_6 = partial(open_sample, "nuclei-6")
epithelium = partial(open_sample, "epithelium")
nuclei_3d = partial(open_sample, "nuclei-3d")
isbi2012 = partial(open_sample, "isbi2012")
