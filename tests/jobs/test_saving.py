"""When a training is saved: a process may be killed at any time."""

import numpy as np
import pytest

import napari_unet as nu
from napari_unet.arrays.axes import Image
from napari_unet.events import CheckDone, Note, StepDone
from napari_unet.jobs import Training, make_spec, training
from synthetic import classes, tissue

IMAGE, CELLS = tissue((80, 90), 20)


def job_of(path, steps=12, resume=False):
    spec = make_spec(shape={"base": 4, "depth": 1}, train={"steps": steps, "checks": 1, "patch": (32, 32)})
    return Training([(Image(IMAGE, "YX"), Image(classes(CELLS), "YX"))], spec, output=path, resume=resume)


def saved_at(job, path):
    """Steps at whose event the files on the disk were new."""
    seen, resume = [], path.with_suffix(".resume.safetensors")
    last = None
    for event in job:
        now = resume.stat().st_ino if resume.exists() else None
        if now != last and not isinstance(event, Note):
            seen.append((type(event).__name__, event.step if isinstance(event, StepDone | CheckDone) else None))
        last = now
    return seen


@pytest.mark.parametrize(
    ("early", "often", "saved"), [(0.0, 1e9, [1]), (1e9, 1e9, []), (0.0, 0.0, [*range(1, 13)])]
)
def test_it_is_saved_early_and_not_at_checks_alone(tmp_path, monkeypatch, early, often, saved):
    monkeypatch.setattr(training, "EARLY", early)
    monkeypatch.setattr(training, "OFTEN", often)
    path = tmp_path / "m.safetensors"
    assert saved_at(job_of(path), path)[: len(saved) + 1] == [*(("StepDone", n) for n in saved), ("CheckDone", 12)]


def test_a_training_killed_before_its_first_check_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "EARLY", 0.0)
    path, straight = tmp_path / "m.safetensors", job_of(None)
    list(straight)
    events = iter(job_of(path))
    while not isinstance(next(events), StepDone):
        pass
    monkeypatch.setattr(Training, "save", lambda self: None)  # killed: nothing is saved any more
    events.close()
    assert nu.load(path).describe()["steps"] == 1
    monkeypatch.undo()
    resumed = job_of(path, resume=True)
    assert [e.step for e in resumed if isinstance(e, StepDone)] == list(range(2, 13))
    np.testing.assert_allclose(resumed.model().predict(IMAGE), straight.model().predict(IMAGE), atol=1e-5)
