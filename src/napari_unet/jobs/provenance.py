"""What a model was made of: its images, and a hash of what was painted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet.arrays.axes import Image
from napari_unet.arrays.identity import fingerprint, labels_hash, painted_digest
from napari_unet.learn.data import read_labels
from napari_unet.spec import ModelFacts
from napari_unet.storage.opened import file_of

Place = tuple[int, int, int]
"""A plane: pair, t, z."""


class Provenance:
    """Keeps in mind what a training learns from.

    All that has to be read from the images is read at once: at the end of a training they may be gone.

    Parameters
    ----------
    pairs
        Images and labels.
    planes
        The painted planes.
    files
        Those of the labels, as far as they are known.
    start
        The model that it starts from.
    resumed
        It goes on with an earlier training.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[Image, Image]],
        planes: Iterable[Place],
        files: Sequence[Path | None] = (),
        start: ModelFacts | None = None,
        *,
        resumed: bool = False,
    ) -> None:
        self._pairs = pairs
        self._files = [str(f) for f in files if f is not None]
        self._before: dict[str, Any] = {"resumed": True} if resumed else {}
        if start is not None:
            self._before["start"] = start.model_dump(mode="json")
        self._images = [_facts(image) for image, _ in pairs]
        self._painted: dict[Place, str] = {}
        self.look(planes)

    def look(self, planes: Iterable[Place]) -> None:
        """Look at planes anew that were painted on."""
        for pair, t, z in planes:
            found = painted_digest(read_labels(self._pairs[pair][1], t, z))
            self._painted.pop((pair, t, z), None)
            if found is not None:
                self._painted[pair, t, z] = found

    def facts(self) -> dict[str, Any]:
        """Return what a model file keeps of it, ready for JSON."""
        return {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "images": self._images,
            "labels": {"sha256": labels_hash(self._painted), "painted_planes": len(self._painted)}
            | ({"paths": self._files} if len(self._files) == len(self._pairs) else {}),
            **self._before,
        }


def _facts(image: Image) -> dict[str, Any]:
    path = file_of(image)
    return {
        "name": image.name,
        **({"path": str(path)} if path else {}),
        "shape": [int(n) for n in image.data.shape],
        "dtype": np.dtype(image.data.dtype).name,
        "axes": image.axes,
        "fingerprint": fingerprint(image),
    }
