"""What people are told of a model that is given away."""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from napari_unet.errors import UserError

SHORTEST, LONGEST = 5, 128
"""Characters of a name."""
MOST = 1024
"""Characters of a description."""


@dataclass(frozen=True)
class Card:
    """Name, purpose, authors and licence of a model, such as BioImage.IO takes them.

    Raises
    ------
    UserError
        If it does not take one of them.

    Examples
    --------
    >>> Card("Nuclei (DAPI)", licence="CC-BY-4.0").authors
    ('unknown',)
    >>> Card(licence="cc by 4")
    Traceback (most recent call last):
    ...
    napari_unet.errors.UserError: 'cc by 4' is the name of no licence: give its SPDX name, such as CC-BY-4.0 or MIT
    """

    name: str = "U-Net"
    description: str = "A U-Net for the segmentation of cells, trained in napari with napari-unet-live."
    authors: tuple[str, ...] = ("unknown",)
    licence: str | None = None
    """SPDX name of the licence of the weights; None: not told."""

    def __post_init__(self) -> None:
        wrong = sorted(set(re.sub(r"[A-Za-z0-9_+\-() ]", "", self.name)))
        if wrong:
            raise UserError(
                f"the name '{self.name}' has {' '.join(wrong)} in it: BioImage.IO takes letters from A to Z, "
                "digits, spaces and _ + - ( ) alone"
            )
        if not SHORTEST <= len(self.name) <= LONGEST:
            raise UserError(
                f"the name '{self.name}' has {len(self.name)} characters: BioImage.IO takes from {SHORTEST} to "
                f"{LONGEST}"
            )
        if len(self.description) > MOST:
            raise UserError(f"the purpose has {len(self.description)} characters: BioImage.IO takes up to {MOST}")
        for author in self.authors:
            if "/" in author or "\\" in author or not author.strip():
                raise UserError(f"'{author}' cannot be an author of BioImage.IO: give a name without slashes")
        if self.licence is not None:
            _check_licence(self.licence)


def _check_licence(name: str) -> None:
    """Raise `UserError` unless it is the name of one licence, in its very spelling."""
    try:
        known = canonicalize_license_expression(name)
    except InvalidLicenseExpression:
        known = None
    if known is None or " " in known or known.startswith("LicenseRef-"):
        raise UserError(f"'{name}' is the name of no licence: give its SPDX name, such as CC-BY-4.0 or MIT")
    if known != name:
        raise UserError(f"the licence '{name}' is written '{known}'")
