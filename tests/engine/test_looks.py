"""The mean of looks through mirror images, as time goes by."""

import numpy as np
import pytest

from napari_unet.engine.looks import OLD, Looks


class Watch:
    """Looks at one plane: every mirror image is seen as its number in tenths, every look takes a while."""

    def __init__(self, takes=0.0):
        self.now, self.takes, self.mirrors, self.plane = 0.0, takes, [], object()
        self.looks = Looks(clock=lambda: self.now)

    def look(self, pause=0.0, count=4):
        def predict(mirror):
            self.mirrors.append(mirror)
            self.now += self.takes
            return np.array([mirror / 10], np.float32)

        self.now += pause
        return self.looks.at(self.plane, predict, count).item() / 25.5


def test_every_mirror_image_counts_alike_from_the_fourth_look_on():
    watch = Watch()
    assert [watch.look(1) for _ in range(9)] == pytest.approx([0, 0.5, 1, *[1.5] * 6], abs=0.03)
    assert watch.mirrors == [0, 1, 2, 3, 0, 1, 2, 3, 0]


@pytest.mark.parametrize("takes", [0.4, 1.0, 1.2, 2.0, 3.0, 5.0, 9.0])
def test_slow_previews_are_averaged_as_far_as_they_are_fresh_and_do_not_flicker(takes):
    """Spaced as the training spaces them; the number of looks that count stays the same, or next to it."""
    watch = Watch(takes)
    counts = []
    for _ in range(20):
        watch.look(1.5 * takes)
        counts.append(len(watch.looks._seen))
    fresh = [n for n in range(3) if (1.5 + 2.5 * n) * takes <= OLD]  # since the last look, the one before ...
    assert set(counts[4:]) == {1 + len(fresh)}
    assert watch.looks.complete


@pytest.mark.parametrize(("count", "mirrors"), [(1, [0, 0, 0]), (2, [0, 1, 0])])
def test_what_was_not_learnt_from_is_not_looked_through(count, mirrors):
    watch = Watch()
    for n in range(3):
        watch.look(count=count)
        assert watch.looks.complete == (n + 1 >= count)
    assert watch.mirrors == mirrors


def test_a_forgotten_plane_is_let_go_of():
    watch = Watch()
    watch.look()
    watch.looks.forget()
    assert not watch.looks._seen
    assert watch.looks._plane is None
    assert watch.look() == 0
