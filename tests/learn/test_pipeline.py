"""Threads that read ahead and write behind: order, errors, bounds, and nothing left running."""

import threading
import time

import pytest

from napari_unet.learn.pipeline import Behind, ahead


def test_items_come_in_order_and_not_too_far_ahead():
    made = []

    def items():
        for n in range(20):
            made.append(n)
            yield n

    with ahead(items(), depth=2) as ready:
        assert next(ready) == 0
        time.sleep(0.3)
        assert len(made) <= 4
        assert list(ready) == list(range(1, 20))


def test_what_the_reader_raises_is_raised_to_the_taker():
    def items():
        yield 1
        raise OSError("gone")

    with ahead(items()) as ready:
        assert next(ready) == 1
        with pytest.raises(OSError, match="gone"):
            next(ready)


def test_a_reader_that_is_left_ends():
    def items():
        while True:
            yield 0

    before = threading.active_count()
    with ahead(items()) as ready:
        next(ready)
    assert threading.active_count() == before


def test_what_the_writer_raises_is_raised_to_the_giver_and_the_rest_is_dropped():
    done = []

    def fail():
        raise OSError("full")

    def give():
        with Behind() as behind:
            behind.put(lambda: done.append(1))
            behind.put(fail)
            for _ in range(10):
                behind.put(lambda: done.append(2))
                time.sleep(0.01)

    with pytest.raises(OSError, match="full"):
        give()
    assert done == [1]


def test_what_was_given_is_written_even_if_the_giver_fails():
    done = []

    def slow():
        time.sleep(0.1)
        done.append(1)

    def give():
        with Behind() as behind:
            behind.put(slow)
            behind.put(slow)
            raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        give()
    assert done == [1, 1]


def test_an_error_of_the_writer_at_the_very_end_is_not_lost():
    def fail():
        time.sleep(0.1)
        raise OSError("full")

    with pytest.raises(OSError, match="full"), Behind() as behind:
        behind.put(fail)
