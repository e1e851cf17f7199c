"""Builds of PyTorch for NVIDIA cards: which driver runs them, and which cards they have kernels for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

Version = tuple[int, int]

INDEX = "https://download.pytorch.org/whl/"
TURING, BLACKWELL = (7, 5), (10, 0)
"""Compute capabilities of the first cards of these generations."""


@dataclass(frozen=True)
class Build:
    """A build of PyTorch.

    Parameters
    ----------
    cuda
        The CUDA that it is for.
    name
        Of its package index.
    first, beyond
        Compute capabilities that it has kernels for: from which on, and below which.
    """

    cuda: Version
    name: str
    first: Version
    beyond: Version | None = None

    def fits(self, cards: Collection[Version]) -> bool:
        """Tell whether it has kernels for all cards, of which the compute capabilities are given."""
        return all(self.first <= card and (self.beyond is None or card < self.beyond) for card in cards)


BUILDS = (
    Build((13, 0), "cu130", TURING),  # CUDA 13 has given older cards up
    Build((12, 8), "cu128", TURING),  # some versions of it have kernels for Volta as well, the last ones have not
    Build((12, 6), "cu126", (5, 0), BLACKWELL),
)
"""The newest first."""


def build_for(cuda: Version | None, cards: Collection[Version] = ()) -> str | None:
    """Choose the build of torch for a driver: the newest that it runs; within a major version any will do.

    Parameters
    ----------
    cuda
        The newest that the driver can run; None: unknown.
    cards
        Compute capabilities of the cards, as far as known: a build that has no kernels for one of them is chosen
        only if there is none for all of them.

    Returns
    -------
    str or None
        None: the driver is too old for all.

    Examples
    --------
    >>> build_for((13, 1)), build_for((12, 8)), build_for((12, 2)), build_for((11, 8)), build_for(None)
    ('cu130', 'cu128', 'cu126', None, 'cu126')
    >>> build_for((13, 0), [(6, 1)]), build_for((13, 0), [(8, 6)])
    ('cu126', 'cu130')
    """
    builds = [b for b in BUILDS if b.fits(cards)] or list(BUILDS)
    if cuda is None:
        return builds[-1].name
    fitting = [b.name for b in builds if b.cuda <= cuda]
    same = [b.name for b in reversed(builds) if b.cuda[0] == cuda[0]]
    return next(iter([*fitting, *same]), None)
