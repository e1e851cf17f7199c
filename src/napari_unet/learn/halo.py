"""The smallest halo that cannot be seen in the result, measured on the image at hand with the model at hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_unet.arrays import tiles
from napari_unet.arrays.axes import Image
from napari_unet.arrays.intensity import Normalisation
from napari_unet.arrays.tiles import Fit
from napari_unet.learn.plan import Plan
from napari_unet.learn.predictor import Predictor, read_tile

TOLERANCE = 1 / 255
"""Largest deviation of a probability: what 8 bits cannot show."""
SAFETY = 2
"""Places that were not looked at may be worse: at those that were, the tolerance is this many times smaller."""
SAMPLES = 8
"""Places that are looked at."""
CORE = 32
"""Length that is compared at each, pixels: short, so that all of it is near the edge of its tile."""


@dataclass(frozen=True)
class Halo:
    """A halo and what it costs in exactness."""

    lengths: tuple[int, int, int]
    """Along Z, Y, X."""
    exact: tuple[int, int, int]
    """The network's exact one."""
    deviation: float
    """Largest difference of a probability from that with the exact halo, as far as it was measured."""
    samples: int
    """Places at which it was measured."""

    def __str__(self) -> str:
        short, full = (" x ".join(str(n) for n in lengths if n) or "0" for lengths in (self.lengths, self.exact))
        return (
            f"halo {short} (exact: {full}): probabilities deviate by at most {self.deviation:.4f} "
            f"at {self.samples} places that were measured"
        )


def find_halo(predictor: Predictor, image: Image, normalisation: Normalisation, plan: Plan) -> Halo:
    """Find the smallest aligned halo with which probabilities deviate by less than `TOLERANCE`.

    Parameters
    ----------
    predictor
        Of probabilities.
    image, normalisation
        What will be predicted.
    plan
        With the exact halo; its region is sampled.
    """
    exact = tuple(f.halo for f in plan.fits)
    places = list(_places(plan))
    whole = [_at(predictor, image, normalisation, plan, place, plan.fits) for place in places]
    for fits in _candidates(plan.fits):
        worst = 0.0
        for place, expected in zip(places, whole, strict=True):
            found = _at(predictor, image, normalisation, plan, place, fits)
            worst = float(np.maximum(worst, np.abs(found - expected).max()))  # NaN stays
            if not worst < TOLERANCE / SAFETY:
                break
        else:
            z, y, x = (f.halo for f in fits)
            return Halo((z, y, x), (exact[0], exact[1], exact[2]), worst, len(places))
    return Halo((exact[0], exact[1], exact[2]), (exact[0], exact[1], exact[2]), 0.0, len(places))


def _candidates(fits: Sequence[Fit]) -> Iterator[tuple[Fit, ...]]:
    """Yield what is needed with 1, 2, ... strides of halo along every axis, up to less than the exact one."""
    steps = max(f.halo // f.stride for f in fits)
    for n in range(1, steps):
        yield tuple(Fit(f.stride, min(f.halo, n * f.stride)) for f in fits)


def _places(plan: Plan) -> Iterator[tuple[int, tuple[tuple[int, int], ...]]]:
    """Yield (t, ranges along Z, Y, X), spread over the region by a sequence that repeats nothing."""
    t_range, *ranges = plan.region.ranges
    for n in range(SAMPLES):
        parts = []
        for axis, ((start, stop), fit) in enumerate(zip(ranges, plan.fits, strict=True)):
            core = min(stop - start, max(CORE, 2 * fit.stride) if fit.halo else 1)
            # additive recurrence with powers of an irrational number: spread evenly, whatever the count
            fraction = (0.5 + (n + 1) / 1.2207440846 ** (axis + 1)) % 1
            first = start + int(fraction * (stop - start - core + 1))
            parts.append((first, first + core))
        yield t_range[0] + n * (t_range[1] - t_range[0]) // SAMPLES, tuple(parts)


def _at(
    predictor: Predictor,
    image: Image,
    normalisation: Normalisation,
    plan: Plan,
    place: tuple[int, tuple[tuple[int, int], ...]],
    fits: Sequence[Fit],
) -> npt.NDArray[np.float32]:
    t, ranges = place
    limits = [n + f.surplus + 2 * f.stride for n, f in zip(plan.size, fits, strict=True)]
    (tile,) = tiles.cut(plan.size, limits, fits, ranges)
    pixels = normalisation.apply(read_tile(image, t, tile))
    found: npt.NDArray[np.float32] = predictor.compute((tile,), pixels[None]).arrays()[0]["float"]
    return found
