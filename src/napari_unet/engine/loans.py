"""The images that the worker may read from: those of the job at hand, and the one that the user looks at."""

from __future__ import annotations

from collections.abc import Sequence

from napari_unet.arrays.axes import Image
from napari_unet.engine.messages import ImageRef
from napari_unet.engine.serving import ArrayServer


class Loans:
    """Lends images and takes them back when they are not needed any more.

    Examples
    --------
    >>> import numpy as np
    >>> loans, image = Loans(), Image(np.zeros((4, 4)), "YX")
    >>> loans.for_view(image) is None, loans.for_view(image) is None
    (False, True)
    >>> loans.end_view()
    >>> len(loans.server)
    0
    """

    def __init__(self) -> None:
        self.server = ArrayServer()
        self._of_job: tuple[ImageRef, ...] = ()
        self._of_view: ImageRef | None = None
        self._viewed: Image | None = None

    def for_job(self, images: Sequence[Image]) -> tuple[ImageRef, ...]:
        """Lend the images of a job, until `end_job`."""
        self._of_job = tuple(self.server.lend(i) for i in images)
        return self._of_job

    def end_job(self) -> None:
        """Take the images of the job back."""
        self.server.take_back(*self._of_job)
        self._of_job = ()

    def for_view(self, image: Image) -> ImageRef | None:
        """Lend the image that is looked at from now on, in place of the one before; None if it is the same."""
        before = self._viewed
        if before is not None and image.data is before.data and image.axes == before.axes:
            return None
        ref = self.server.lend(image)
        self.end_view()
        self._of_view, self._viewed = ref, image
        return ref

    def end_view(self) -> None:
        """Take the image that was looked at back."""
        if self._of_view is not None:
            self.server.take_back(self._of_view)
        self._of_view = self._viewed = None
