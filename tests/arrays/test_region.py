"""Parts of an image as users write them."""

import numpy as np
import pytest

from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Region, parse_range
from napari_unet.errors import UserError

IMAGE = Image(np.zeros((4, 6, 30, 20)), "TZYX", name="movie")


@pytest.mark.parametrize(
    ("wanted", "z"),
    [((2, 5), (2, 5)), ((0, None), (0, 6)), ((-2, None), (4, 6)), ((1, -1), (1, 5)), ([np.int64(3), 4], (3, 4))],
)
def test_ranges_are_counted_from_either_end(wanted, z):
    assert Region.of(IMAGE, (None, wanted, None, None)).ranges == ((0, 4), z, (0, 30), (0, 20))


@pytest.mark.parametrize(
    "wanted", [{"z": (1, 3)}, "1:3", (slice(1, 3),), (None, 1, None, None), (None, (1, 2, 3))]
)
def test_what_is_no_part_is_shown_how_one_looks(wanted):
    with pytest.raises(UserError, match=r"for each of T, Z, Y and X, such as .* got "):
        Region.of(IMAGE, wanted)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ((5, 3), "5:3 along Y is empty"),
        ((4, 4), "4:4 along Y is empty"),
        ((0, 31), "which has 30 there"),
        ((-40, 3), "30 there"),
    ],
)
def test_ranges_that_hold_nothing_or_too_much_are_named(y, message):
    with pytest.raises(UserError, match=message):
        Region.of(IMAGE, (None, None, y, None))


@pytest.mark.parametrize("text", ["10:5", "5:5", "0:0", "3:0", "-2:-5", "-1:-1", ":0"])
def test_a_range_that_holds_nothing_of_any_image_is_refused_as_it_is_read(text):
    with pytest.raises(UserError, match=f"--x '{text}' is empty: its end has to lie after its start"):
        parse_range("--x", text)


def test_ranges_that_may_hold_something_are_read():
    assert [parse_range("--x", t) for t in ("-5:3", "2:-1", "-5:-2", "0:1")] == [
        (-5, 3),
        (2, -1),
        (-5, -2),
        (0, 1),
    ]
