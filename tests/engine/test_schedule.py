from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from napari_unet.engine.schedule import PREVIEW_INTERVAL, PREVIEW_SHARE, PreviewClock, Throttle
from napari_unet.events import CheckDone, Finished, Note, StepDone


def step(i):
    return StepDone(i, 1.0, 0, 0, 0)


@given(st.lists(st.tuples(st.sampled_from(["step", "check", "note"]), st.floats(0, 0.5)), max_size=60))
def test_only_progress_is_ever_dropped_and_order_is_kept(script):
    throttle, now, sent, told = Throttle(), 0.0, [], []
    for i, (kind, wait) in enumerate(script):
        now += wait
        event = step(i) if kind == "step" else CheckDone(i, None) if kind == "check" else Note(str(i))
        sent.append(event)
        told.extend((e, now) for e in throttle.pass_on(event, now))
    told.extend((e, now) for e in throttle.pass_on(Finished("end"), now))
    events = [e for e, _ in told]
    assert [e for e in events if not isinstance(e, StepDone)][:-1] == [
        e for e in sent if not isinstance(e, StepDone)
    ]
    assert [e for e in sent if e in events] == events[:-1]
    steps = [e for e in sent if isinstance(e, StepDone)]
    if steps:
        assert steps[-1] in events


def test_a_thousand_steps_a_second_become_ten():
    throttle = Throttle()
    told = [e for i in range(1000) for e in throttle.pass_on(step(i), i / 1000)]
    assert len(told) == 10


@given(st.floats(0.01, 5), st.floats(0.005, 0.5))
def test_previews_are_regular_and_take_a_bounded_share(cost, step_seconds):
    clock, now, previewing, times = PreviewClock(), 0.0, 0.0, []
    while now < 100:
        now += step_seconds
        if clock.due(now):
            times.append(now)
            clock.done(now, now + cost)
            now, previewing = now + cost, previewing + cost
    assert previewing <= PREVIEW_SHARE * now + 2 * cost
    longest = max(b - a for a, b in pairwise(times))
    assert longest <= max(PREVIEW_INTERVAL, cost / PREVIEW_SHARE) + step_seconds + 1e-6


def test_a_preview_comes_every_two_seconds_with_steps_as_long_as_on_two_cores():
    """Due after 1.2 s, one came every 2.1 s."""
    clock, now, times = PreviewClock(), 0.0, []
    while now < 60:
        now += 0.95
        if clock.due(now):
            clock.done(now, now + 0.18)
            now += 0.18
            times.append(now)
    assert max(b - a for a, b in pairwise(times)) < 2
