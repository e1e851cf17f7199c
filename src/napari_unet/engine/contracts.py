"""What the worker needs of `napari_unet.jobs`; tests give it something smaller."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_unet.arrays.axes import Image, Writable
from napari_unet.arrays.region import Region
from napari_unet.arrays.squares import Suggestion
from napari_unet.arrays.taken_values import TakenPart
from napari_unet.events import Event
from napari_unet.spec import CellSpec, ClassSpec, ModelFacts, Output, TilingSpec, TrainingSpec
from napari_unet.storage.bioimageio.card import Card


class ModelLike(Protocol):
    """A trained model, see `napari_unet.jobs.Model`."""

    @property
    def spec(self) -> TrainingSpec:
        """What the training was told."""

    @property
    def classes(self) -> tuple[ClassSpec, ...]:
        """The classes, in the order of the probabilities."""

    @property
    def facts(self) -> ModelFacts:
        """Which model it is."""

    def describe(self) -> dict[str, Any]:
        """Facts for people, ready for JSON."""

    @property
    def mirrors(self) -> int:
        """Number of mirror images that it knows, the image itself counted."""

    def save(self, path: Path, /) -> None:
        """Write the model file."""

    def preview(self, image: Image, t: int, z: int, mirror: int, /) -> npt.NDArray[np.float32]:
        """Predict one plane through a mirror image, of this number: (K, Y, X)."""


class TrainingLike(Protocol):
    """A training, see `napari_unet.jobs.Training`: leaving its iteration stops and saves it."""

    @property
    def classes(self) -> tuple[ClassSpec, ...]:
        """The classes that are learnt."""

    @property
    def mirrors(self) -> int:
        """Number of mirror images that it learns from, the image itself counted."""

    def __iter__(self) -> Iterator[Event]: ...

    def preview(self, image: Image, t: int, z: int, mirror: int, /) -> npt.NDArray[np.float32]:
        """Predict one plane through a mirror image, of this number: (K, Y, X)."""

    def paint(self, t: int, z: int, y: int, x: int, values: npt.NDArray[Any], /, *, taken: bool) -> None:
        """Change the labels, by hand or to predictions that were taken over."""

    def suggest(self, view: tuple[int, int], shown: Sequence[Region], /) -> Iterator[Suggestion | None]:
        """Look for the place to annotate next; None after every piece that was looked at."""

    def take_up(self) -> Sequence[Event]:
        """Learn from now on from what was painted."""

    def settle(self) -> Sequence[Event]:
        """Score what was learnt since the last score, as the training is about to be left."""

    def model(self) -> ModelLike:
        """Give the model as it is now."""


class Jobs(Protocol):
    """The functions that the worker calls."""

    def warm_up(self) -> None:
        """Load what the first training needs; called before there are orders."""

    def training(
        self,
        pairs: Sequence[tuple[Image, Image]],
        spec: TrainingSpec,
        output: Path,
        resume: bool,
        start: Path | None,
        taken: Sequence[TakenPart],
    ) -> TrainingLike:
        """Set a training up, of whose labels parts are predictions that were taken over."""

    def prediction(
        self,
        model: Any,
        image: Image,
        outputs: Mapping[Output, Writable],
        tiling: TilingSpec,
        cells: CellSpec,
        region: Region | None,
        done: Sequence[Region],
        view: tuple[int, int] | None,
        stopped: Callable[[], bool],
    ) -> Iterator[Event]:
        """Set a prediction up, which begins with the plane (t, z) in view, and ends soon when it is stopped."""

    def suggestion(
        self,
        model: Any,
        image: Image,
        labels: Image | None,
        view: tuple[int, int],
        shown: Sequence[Region],
        planes: Sequence[tuple[int, int]] | None,
    ) -> Iterator[Suggestion | None]:
        """Look for the place to annotate next, without a model with the network that the package brings."""

    def load(self, path: Path, trust: Sequence[str] = ()) -> ModelLike:
        """Read a model file, or a package, of which trusted code may run."""

    def pack(self, model: Any, path: Path, card: Card, weights: Sequence[str]) -> None:
        """Write a package."""


@dataclass(frozen=True)
class Facts:
    """What the worker found on its machine."""

    versions: dict[str, str]
    device: str
    threads: int = 1
    """CPU threads for jobs that leave them open."""


class RealJobs:
    """`napari_unet.jobs`; making one imports torch, which takes seconds."""

    def __init__(self) -> None:
        from napari_unet import jobs

        self._jobs = jobs

    def warm_up(self) -> None:
        """See `Jobs`."""
        from napari_unet.learn.warm import warm_up

        warm_up()

    def training(
        self,
        pairs: Sequence[tuple[Image, Image]],
        spec: TrainingSpec,
        output: Path,
        resume: bool,
        start: Path | None,
        taken: Sequence[TakenPart],
    ) -> TrainingLike:
        """Set a training up."""
        first = None if start is None else self._jobs.load(start)
        return self._jobs.Training(pairs, spec, output=output, resume=resume, start=first, taken=taken)

    def prediction(
        self,
        model: Any,
        image: Image,
        outputs: Mapping[Output, Writable],
        tiling: TilingSpec,
        cells: CellSpec,
        region: Region | None,
        done: Sequence[Region],
        view: tuple[int, int] | None,
        stopped: Callable[[], bool],
    ) -> Iterator[Event]:
        """Set a prediction up."""
        return self._jobs.prediction(
            model,
            image,
            outputs,
            tiling=tiling,
            cells=cells,
            region=region,
            done=done,
            view=view,
            stopped=stopped,
        )

    def suggestion(
        self,
        model: Any,
        image: Image,
        labels: Image | None,
        view: tuple[int, int],
        shown: Sequence[Region],
        planes: Sequence[tuple[int, int]] | None,
    ) -> Iterator[Suggestion | None]:
        """Look for the place to annotate next."""
        known = None if planes is None else tuple(planes)
        return self._jobs.find(model, self._jobs.Search(image, labels, view, tuple(shown), known))

    def load(self, path: Path, trust: Sequence[str] = ()) -> ModelLike:
        """Read a model file, or a package."""
        return self._jobs.load(path, trust)

    def pack(self, model: Any, path: Path, card: Card, weights: Sequence[str]) -> None:
        """Write a package."""
        from napari_unet.jobs.exchange import export_model

        export_model(model, path, weights=weights, card=card)


def find_facts() -> Facts:
    """Versions, device and threads of this process; one core is for the window."""
    import platform

    from napari_unet.learn.device import choose_device, count_cores
    from napari_unet.learn.modelfile import versions

    found = {"python": platform.python_version(), **versions()}
    return Facts(found, choose_device("auto")[1], max(1, count_cores() - 1))
