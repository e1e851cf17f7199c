from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from napari_unet.arrays.region import Region
from napari_unet.arrays.squares import Suggestion
from napari_unet.engine import messages as m
from napari_unet.engine.keys import decode_key, describe_key, encode_key, key_shape
from napari_unet.events import BlockDone, CellsDone, CheckDone, Event, Finished, Note, StepDone, TileDone
from napari_unet.spec import CELL, CellSpec, TilingSpec, TrainingSpec, UNet3DSpec

ONE = Region((0, 1), (1, 2), (0, 8), (0, 8))
REF = m.ImageRef(array=1, shape=(3, 4), dtype="<u2", axes="YX", spacing=(1, 0.5, 0.5), name="ä b")


def test_commands_survive_the_way():
    for command in (
        m.Train(image=REF, labels=REF, spec=TrainingSpec(net=UNet3DSpec()), autosave=Path("/a b/ü.safetensors")),
        m.Predict(
            image=REF,
            outputs=("cells",),
            tiling=TilingSpec(tile=64),
            cells=CellSpec(beta=0.4),
            region=ONE,
            done=(ONE,),
        ),
        m.SetView(t=0, z=1, image=REF),
        m.Suggest(t=0, z=1, shown=(ONE,), image=REF, planes=((0, 3),)),
        m.ReadFailure(request=3, message="no"),
        m.Stop(),
    ):
        assert m.COMMAND.validate_json(command.model_dump_json()) == command


@pytest.mark.parametrize(
    "event",
    [
        Note("a", warning=True),
        BlockDone(3, 1, 4, ONE.ranges),
        StepDone(3, float("inf"), 0.5, 1.0, 2.0),
        CheckDone(3, None, {"cell": None, "boundary": 0.5}, best=True),
        TileDone(1, 2, 0.1, 0.2, (0, 3)),
        CellsDone(1, 2, 30),
        Finished("done", 3, 1.5),
    ],
)
def test_events_survive_the_way(event):
    report = m.REPORT.validate_json(m.encode_event(event).model_dump_json())
    assert m.decode_event(report) == event


def test_a_suggestion_survives_the_way():
    report = m.SuggestionReport(suggestion=Suggestion(ONE, 0.5, 1.0, 0.25, 2, 30, again=True))
    assert m.REPORT.validate_json(report.model_dump_json()) == report


def test_a_loss_that_is_no_number_survives_the_way():
    report = m.REPORT.validate_json(m.encode_event(StepDone(3, float("nan"), 0, 0, 0)).model_dump_json())
    assert np.isnan(m.decode_event(report).loss)


def test_every_event_has_a_decoder():
    assert set(m._EVENTS) == {c.__name__ for c in get_args(Event)}


def test_unknown_messages_and_fields_are_refused():
    for text in ('{"kind": "run", "code": "x"}', '{"kind": "stop", "now": true}'):
        with pytest.raises(ValidationError):
            m.COMMAND.validate_json(text)


def test_model_info_keeps_its_description():
    info = m.ModelInfo(classes=(CELL,), net=UNet3DSpec(), description={"steps": 3, "history": [{"loss": None}]})
    assert m.ModelInfo.model_validate_json(info.model_dump_json()) == info


@pytest.mark.parametrize(
    "key",
    [
        np.s_[2],
        np.s_[...],
        np.s_[1:, ::-2],
        np.s_[..., 3],
        np.s_[-1, ..., -3:],
        np.s_[0, 0, 0],
        np.s_[5:1],
        (np.int64(2), slice(np.int32(0), np.int32(2))),
    ],
)
def test_keys_select_the_same_elements(key):
    array = np.arange(60).reshape(3, 4, 5)
    encoded = encode_key(key, 3)
    np.testing.assert_array_equal(array[decode_key(encoded)], array[key])
    assert key_shape(encoded, array.shape) == array[key].shape
    np.testing.assert_array_equal(eval(f"array{describe_key(encoded)}"), array[key])


@pytest.mark.parametrize("key", [[0, 1], np.array([True, False, True]), None, 1.5])
def test_other_keys_are_refused(key):
    with pytest.raises(TypeError):
        encode_key(key, 3)


def test_keys_outside_are_refused():
    with pytest.raises(IndexError, match="4 indices for an array of 3 axes"):
        encode_key((0, 0, 0, 0), 3)
    with pytest.raises(IndexError, match="index 3 is out of range"):
        key_shape((3,), (3,))
