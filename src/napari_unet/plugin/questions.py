"""What the window asks before it does something that the user may not want."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_unet.storage.weights import Weights


def ask_for_weights(parent: QWidget, missing: Weights) -> Literal["download", "file", "no"]:
    """Show size, source and licence of weights that are not on this machine, and ask what to do."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("U-Net")
    box.setText(f"The encoder's ImageNet weights are not on this machine. Download {missing.size / 1e6:.0f} MB?")
    box.setInformativeText(missing.words)
    download = box.addButton("Download", QMessageBox.ButtonRole.AcceptRole)
    file = box.addButton("From file ...", QMessageBox.ButtonRole.ActionRole)
    box.setEscapeButton(box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole))
    box.setDefaultButton(download)
    box.exec()
    pressed = box.clickedButton()
    return "download" if pressed is download else "file" if pressed is file else "no"


ENDINGS = {"OME-Zarr (*.ome.zarr)": ".ome.zarr", "OME-TIFF (*.ome.tif)": ".ome.tif"}
"""What a dialog offers, and the ending of file names."""


def ask_which(parent: QWidget, name: str, number: int) -> Literal["one", "all", "no"]:
    """Ask whether only the selected result is saved, or all of them."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("Save results")
    box.setText(f"Save all {number} results, or only the selected layer '{name}'?")
    everything = box.addButton(f"All {number}", QMessageBox.ButtonRole.AcceptRole)
    one = box.addButton(f"Only '{name}'", QMessageBox.ButtonRole.ActionRole)
    box.setEscapeButton(box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole))
    box.setDefaultButton(everything)
    box.exec()
    pressed = box.clickedButton()
    return "all" if pressed is everything else "one" if pressed is one else "no"


def ask_for_results_file(parent: QWidget, names: Sequence[str], suggested: str) -> tuple[Path, str] | None:
    """Ask for a file name; returns it and the ending that goes with the chosen format."""
    path, chosen = QFileDialog.getSaveFileName(
        parent,
        f"Save {' and '.join(names)}" + (" (one file each)" if len(names) > 1 else ""),
        suggested,
        ";;".join(ENDINGS),
        options=QFileDialog.Option.DontConfirmOverwrite,
    )
    return (Path(path), ENDINGS.get(chosen, ".ome.zarr")) if path else None


def ask_to_replace(parent: QWidget, paths: Sequence[Path]) -> bool:
    """Ask before files are replaced."""
    names = ", ".join(path.name for path in paths)
    question = f"{names} {'is' if len(paths) == 1 else 'are'} there already. Replace?"
    return bool(QMessageBox.question(parent, "Save", question) == QMessageBox.StandardButton.Yes)


def completed(typed: str, ending: str) -> Path:
    """Give a name its ending, if it lacks it.

    Examples
    --------
    >>> completed("mine", ".zip").name, completed("mine.ZIP", ".zip").name
    ('mine.zip', 'mine.ZIP')
    """
    return Path(typed if typed.lower().endswith(ending) else typed + ending)


def may_write(parent: QWidget, typed: Path, path: Path) -> bool:
    """Ask before replacing a file whose name was completed: the dialog asked about the name as typed."""
    return path == typed or not path.exists() or ask_to_replace(parent, [path])


def ask_for_lost_image(name: str, path: str, project: str) -> Path | None:
    """Ask where an image of a project is now."""
    box = QMessageBox()
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("U-Net")
    box.setText(f"Where is the image '{name}' of {project}?")
    box.setInformativeText(f"It is not at {path} any more." if path else "It was never saved as a file.")
    file = box.addButton("File ...", QMessageBox.ButtonRole.AcceptRole)
    folder = box.addButton("Folder (zarr) ...", QMessageBox.ButtonRole.ActionRole)
    box.setEscapeButton(box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole))
    box.exec()
    pressed = box.clickedButton()
    chosen = ""
    if pressed is file:
        chosen, _ = QFileDialog.getOpenFileName(None, f"Where is {name}?", path)
    elif pressed is folder:
        chosen = QFileDialog.getExistingDirectory(None, f"Where is {name}?", path)
    return Path(chosen) if chosen else None
