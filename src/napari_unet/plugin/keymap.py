"""Which key does what: as proposed, and as the user would rather have it. No Qt here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from napari.utils.key_bindings import coerce_keybinding
from psygnal import Signal

Do = TypeVar("Do", bound=Callable[[], None])


@dataclass(frozen=True)
class Key:
    """A key that is proposed, and what it does."""

    default: str
    does: str


UNET_KEYS = {
    "train": Key("T", "train, or stop the training"),
    "preview": Key("W", "preview on or off"),
    "unsure": Key("U", "how unsure the network is, on or off"),
    "where_next": Key("N", "go to where annotation is worth most next"),
    "segment": Key("S", "segment the visible slice"),
    "next_class": Key("Q", "paint with the next class"),
    "take_cell": Key("A", "take the predicted cell under the pointer as annotation"),
    "take_region": Key("R", "take what is predicted in a rectangle"),
    "before": Key("H", "how the prediction was before this training, and back"),
}
"""Keys while the U-Net dock is open. napari's own tools for points and shapes use T, S, A and R as well; they win
while such a layer is active. Keys of Labels layers (B, for one) are not used: such a layer is active while the
user paints."""
CELL_KEYS = {
    "merge": Key("J", "merge: click at a cell, then at those that belong to it"),
    "split": Key("C", "split: click at two places of a cell, or at more"),
    "line": Key("Shift+C", "split along a line that you draw"),
    "delete": Key("D", "delete the cell under the pointer"),
    "fill": Key("G", "fill the holes of the cell under the pointer, or the gap between cells"),
    "accept": Key("K", "accept the cell under the pointer, or no longer"),
    "alike": Key("Shift+K", "accept all that are like the accepted ones"),
}
"""Keys of the layer of cells while the section Correct is open: its own ones (napari's), those of the viewer (the
other dock's) and the ones for numbers of the brush stay as they are."""
ALL_KEYS = {**UNET_KEYS, **CELL_KEYS}
DEFAULTS = {action: key.default for action, key in ALL_KEYS.items()}
ESCAPE = "take the outline of that place away; end taking cells or a region"
"""What Escape does, which stays as it is."""
NONE = "none"
"""Told where an action has no key."""
_MODIFIERS = {"Shift", "Ctrl", "Alt", "Meta"}


def normal(text: str) -> str | None:
    """Write a key in one way; None if it is no key.

    Examples
    --------
    >>> normal("t"), normal("shift-c"), normal("Control-F5"), normal("")
    ('T', 'Shift+C', 'Ctrl+F5', '')
    >>> normal("Tee"), normal("Shift"), normal("K C"), normal("Escape")
    (None, None, None, None)
    """
    words = text.strip()
    if not words:
        return ""
    try:
        read = coerce_keybinding(words)
    except (ValueError, IndexError):
        return None
    known = str(read)
    if len(read.parts) != 1 or not known or known in {*_MODIFIERS, "Escape"} or known.endswith("+"):
        return None
    return known


def choose_keys(
    wanted: Mapping[str, str], before: Mapping[str, str] = DEFAULTS, taken: Mapping[str, str] | None = None
) -> tuple[dict[str, str], list[str]]:
    """Give every action the key that is wanted for it, if it is one and nothing else has it.

    Parameters
    ----------
    wanted
        By action; an empty one is wanted to have none.
    before
        The keys until now: they stay where what is wanted cannot be.
    taken
        What keys of napari do, which are refused.

    Returns
    -------
    keys
        By action.
    complaints
        A sentence for each that was refused.

    Examples
    --------
    >>> keys, complaints = choose_keys({**DEFAULTS, "train": "x", "merge": "W"})
    >>> keys["train"], keys["merge"]
    ('X', 'J')
    >>> complaints
    ["W is the key for 'preview on or off' already: J stays for 'merge: click at a cell, ...'."]
    """
    taken = taken or {}
    keys: dict[str, str] = {}
    owners: dict[str, str] = {}
    refused: dict[str, str] = {}
    for action in sorted(ALL_KEYS, key=lambda a: wanted[a] != before[a]):  # what has a key keeps it
        key = normal(wanted[action])
        why = _refusal(wanted[action], key, owners, taken)
        if key is None or why:
            refused[action] = why
            continue
        keys[action] = key
        owners |= {key: action} if key else {}
    complaints = []
    for action, why in refused.items():
        free = [
            key for key in (before[action], DEFAULTS[action]) if key and key not in owners and key not in taken
        ]
        keys[action] = next(iter(free), "")
        owners |= {keys[action]: action} if keys[action] else {}
        complaints.append(f"{why}: {keys[action] or 'no key'} stays for '{_short(action)}'.")
    return keys, complaints


def _refusal(text: str, key: str | None, owners: Mapping[str, str], taken: Mapping[str, str]) -> str:
    """Say why a key cannot be had; empty if it can."""
    if key is None:
        return f"'{text.strip()}' is no key that can be used here (write, say, T, F5 or Shift+C)"
    if key in owners:
        return f"{key} is the key for '{_short(owners[key])}' already"
    if key in taken:
        return f"{key} is napari's key for '{taken[key]}' while you paint"
    return ""


def _short(action: str) -> str:
    first, _, rest = ALL_KEYS[action].does.partition(",")
    return f"{first}, ..." if rest else first


class Keymap:
    """The keys that count now."""

    changed = Signal()

    def __init__(self) -> None:
        self.now = dict(DEFAULTS)
        """By action; empty: none."""

    def take(self, wanted: Mapping[str, str], taken: Mapping[str, str] | None = None) -> list[str]:
        """Use the keys that are wanted as far as they can be; gives a sentence for each that cannot."""
        keys, complaints = choose_keys({**DEFAULTS, **wanted}, self.now, taken)
        if keys != self.now:
            self.now = keys
            self.changed.emit()
        return complaints

    def bind(self, actions: Mapping[str, Do]) -> dict[str, Do]:
        """Give what each key does, from what each action does."""
        return {self.now[action]: do for action, do in actions.items() if self.now[action]}

    def tell(self, text: str) -> str:
        """Put keys in the place of actions in braces.

        Examples
        --------
        >>> Keymap().tell("Train (key {train}); {this} stays.")
        'Train (key T); {this} stays.'
        """
        return re.sub(r"\{(\w+)\}", lambda m: self.now.get(m[1], m[0]) or NONE, text)


KEYMAP = Keymap()
"""One for all windows of this napari."""
