"""How many channels a network that learnt on photographs can take."""

from __future__ import annotations

from napari_unet.errors import UserError


def check_channels(kind: str, channels: int) -> None:
    """Raise `UserError` unless a network that expects colours can take this number of channels."""
    if channels not in (1, 3):
        raise UserError(
            f"'{kind}' takes 1 channel (grey) or 3 (red, green, blue), not {channels}: "
            "choose one or three of the image's channels, or the network 'unet'"
        )
