"""What a result was made of, and how: enough to make it again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field

from napari_unet.spec.base import Spec
from napari_unet.spec.prediction import CellSpec, Output, TilingSpec

AnyPath = str | os.PathLike[str]
PROGRAM = "napari-unet"
CellFormat = Literal["cells", "outlines", "imagej", "cellpose", "rois", "geojson"]
"""What cells can be written as, see `napari_unet.storage.cell_files`."""
Span = tuple[int, int | None] | None
"""First position along an axis, and the one after the last (None: the end); None alone: everything."""


class ModelFacts(Spec):
    """Which model it was."""

    name: str
    sha256: str
    """Of its tensors, see `napari_unet.learn.modelfile.fingerprint`."""
    path: str | None = None


class ImageFacts(Spec):
    """Which image it was."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    axes: str
    spacing: tuple[float, float, float]
    """Along Z, Y, X."""
    fingerprint: str
    """See `napari_unet.arrays.identity.fingerprint`."""
    path: str | None = None
    record: Record | None = None
    """Of the image itself, if this program made it."""


class Predicting(Spec):
    """Settings of ``predict``."""

    command: Literal["predict"] = "predict"
    output: Output
    tiling: TilingSpec = TilingSpec()
    cells: CellSpec = CellSpec()
    part: tuple[Span, Span, Span, Span] = (None, None, None, None)
    """Along T, Z, Y, X."""
    axes: str | None = None
    """As the user told them."""
    channel: int | None = None
    """The only one that was used, from 0; the source is then this channel."""

    def options(self) -> list[str]:
        """Say the same in words of the command line.

        Examples
        --------
        >>> settings = Predicting(output="boundaries", part=(None, (2, 5), None, None))
        >>> " ".join(settings.options())
        '--output boundaries --halo exact --threshold 0.5 --device auto --precision auto --mirrors 1 --z 2:5'
        """
        tiling = self.tiling
        of_cells = _cell_options(self.cells) if self.output == "cells" else {}
        if self.output == "boundaries":
            of_cells = {"--threshold": self.cells.threshold}
        used = _words(
            {"--output": self.output, "--halo": tiling.halo, "--tile": tiling.tile},
            of_cells,
            {"--device": tiling.device, "--precision": tiling.precision},
            {"--mirrors": tiling.mirrors},
            {"--threads": tiling.threads, "--axes": self.axes},
        )
        return used + self.of_image()

    def of_image(self) -> list[str]:
        """Say in words of the command line what is used of the image; nothing if it is all."""
        spans = {f"--{a}": _span(given) for a, given in zip("tzyx", self.part, strict=True)}
        return _words({"--channel": self.channel}, spans)


class MakingCells(Spec):
    """Settings of ``cells``."""

    command: Literal["cells"] = "cells"
    cells: CellSpec
    volume: bool = False
    classes: tuple[str, ...] | None = None
    axes: str | None = None

    def options(self) -> list[str]:
        """Say the same in words of the command line."""
        names = None if self.classes is None else ",".join(self.classes)
        more = {"--volume": self.volume, "--classes": names, "--axes": self.axes}
        return _words(_cell_options(self.cells), more)


class Linking(Spec):
    """Settings of ``link``."""

    command: Literal["link"] = "link"
    along: Literal["z", "t"]
    least_overlap: float | None = None
    gap: int
    axes: str | None = None

    def options(self) -> list[str]:
        """Say the same in words of the command line."""
        overlap = {"--least-overlap": self.least_overlap, "--gap": self.gap}
        return _words({"--along": self.along}, overlap, {"--axes": self.axes})


class Exporting(Spec):
    """Settings of ``export``."""

    command: Literal["export"] = "export"
    kind: CellFormat
    axes: str | None = None

    def options(self) -> list[str]:
        """Say the same in words of the command line."""
        return _words({"--as": self.kind, "--axes": self.axes})


class Measuring(Spec):
    """Settings of ``measure``."""

    command: Literal["measure"] = "measure"
    image: ImageFacts | None = None
    """Whose grey values are measured."""
    channels: tuple[str, ...] = ()
    spacing: tuple[float, float, float] | None = None
    per_slice: bool
    axes: str | None = None

    def options(self) -> list[str]:
        """Say the same in words of the command line."""
        image = None if self.image is None else self.image.path or self.image.name
        spacing = None if self.spacing is None else ",".join(f"{s:.17g}" for s in self.spacing)
        named = {"--image": image, "--channels": ",".join(self.channels) or None, "--spacing": spacing}
        how = {"--per-slice": self.per_slice, "--per-stack": not self.per_slice, "--axes": self.axes}
        return _words(named, how)

    def with_grey(self, path: AnyPath) -> Self:
        """Tell where the image is now whose grey values are measured."""
        known = self.image
        image = None if known is None else known.model_copy(update={"path": str(path)})
        return self.model_copy(update={"image": image})


Settings = Annotated[Predicting | MakingCells | Linking | Exporting | Measuring, Field(discriminator="command")]


class Record(Spec):
    """How a result was made: kept in its file, see `napari_unet.storage.records`."""

    format: Literal[1] = 1
    settings: Settings
    source: ImageFacts
    """What it was made of."""
    model: ModelFacts | None = None
    versions: dict[str, str]
    date: str
    not_repeated: tuple[str, ...] = ()
    """What was done besides, which no command line repeats: in sentences."""
    command_line: tuple[str, ...] = ()
    """For people; see `words`."""

    def words(
        self,
        out: AnyPath | None = None,
        *,
        model: AnyPath | None = None,
        image: AnyPath | None = None,
        grey: AnyPath | None = None,
    ) -> tuple[str, ...]:
        """Give the command line that makes the result again.

        Parameters
        ----------
        out
            Name of the new file; None: OUT.
        model, image, grey
            Other files than those that are recorded; ``grey`` is the one whose grey values were measured.
        """
        settings = self.settings
        if grey is not None and isinstance(settings, Measuring):
            settings = settings.with_grey(grey)
        inputs: list[AnyPath] = [image or self.source.path or self.source.name]
        if self.model is not None:
            inputs.insert(0, model or self.model.path or self.model.name)
        files = [*map(str, inputs), "-o", str(out or "OUT")]
        return PROGRAM, settings.command, *files, *settings.options()

    def spelled(self) -> Self:
        """Fill in the command line."""
        return self.model_copy(update={"command_line": self.words()})


ImageFacts.model_rebuild()
Measuring.model_rebuild()


def _cell_options(cells: CellSpec) -> dict[str, object]:
    return {f"--{name.replace('_', '-')}": value for name, value in cells.model_dump().items()}


def _span(given: Span) -> str | None:
    return None if given is None else f"{given[0]}:{'' if given[1] is None else given[1]}"


def _words(*options: Mapping[str, object]) -> list[str]:
    """List options with their values; True is an option alone, None and False are left out."""
    given = [(n, v) for group in options for n, v in group.items() if v is not None and v is not False]
    return [word for name, value in given for word in ([name] if value is True else [name, str(value)])]
