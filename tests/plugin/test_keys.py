"""Keys are given back, in whatever order."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels

from napari_unet.plugin.keys import Keys


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_keys_bound_twice_are_given_back_in_any_order(order: tuple[int, int]) -> None:
    layer = Labels(np.zeros((4, 4), np.uint8))
    pressed: list[str] = []
    layer.bind_key("Escape", lambda _: pressed.append("own"), overwrite=True)
    press = lambda: next(f for k, f in layer.keymap.items() if str(k) == "Escape")(layer)  # noqa: E731
    keys = [Keys(layer, {"Escape": lambda name=name: pressed.append(name)}) for name in ("first", "second")]
    press()
    keys[order[0]].close()
    press()
    keys[order[1]].close()
    press()
    assert pressed == ["second", ("second", "first")[order[0]], "own"]
