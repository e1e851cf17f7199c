import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_unet.engine.wire import WireError, receive_frame, send_frame

DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(),
    hnp.unsigned_integer_dtypes(),
    hnp.floating_dtypes(sizes=(16, 32, 64)),
)


def there_and_back(array):
    stream = io.BytesIO()
    send_frame(stream, b"{}", array)
    stream.seek(0)
    message, received = receive_frame(stream)
    assert message == b"{}"
    assert receive_frame(stream) is None
    return received


@given(hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)))
def test_arrays_arrive_as_they_were_sent(array):
    received = there_and_back(array)
    assert received.dtype == array.dtype
    np.testing.assert_array_equal(received, array)


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[::-1, ::2],
        lambda a: a.T,
        lambda a: a.astype(">u2"),
        lambda a: np.broadcast_to(a[:1], a.shape),
        lambda a: np.asfortranarray(a),
    ],
)
def test_layout_in_memory_does_not_matter(view):
    array = view(np.arange(60, dtype=np.uint16).reshape(6, 10))
    received = there_and_back(array)
    assert received.dtype == array.dtype
    np.testing.assert_array_equal(received, array)


def test_several_frames_follow_each_other():
    stream = io.BytesIO()
    for i in range(3):
        send_frame(stream, str(i).encode(), np.full(i, i) if i else None)
    stream.seek(0)
    assert [receive_frame(stream)[0] for _ in range(3)] == [b"0", b"1", b"2"]


@pytest.mark.parametrize("dtype", [object, "U3", "M8[s]", [("a", int)]])
def test_only_numbers_travel(dtype):
    stream = io.BytesIO()
    with pytest.raises(WireError, match="cannot be sent"):
        send_frame(stream, b"{}", np.empty(2, dtype))
    assert stream.getvalue() == b""


def test_an_object_array_is_not_received():
    description = b'{"dtype": "|O", "shape": [1]}'
    frame = (2).to_bytes(4, "big") + len(description).to_bytes(4, "big") + b"{}" + description + bytes(8)
    with pytest.raises(WireError, match="cannot be sent"):
        receive_frame(io.BytesIO(frame))


@pytest.mark.parametrize("keep", [3, 9, 30, -1])
def test_a_frame_cut_short_is_told(keep):
    stream = io.BytesIO()
    send_frame(stream, b'{"a": 1}', np.arange(100))
    with pytest.raises(WireError, match="bytes before the end of a frame"):
        receive_frame(io.BytesIO(stream.getvalue()[:keep]))


def test_text_in_the_stream_is_told_before_memory_is_asked_for():
    with pytest.raises(WireError, match="no frame starts with"):
        receive_frame(io.BytesIO(b"Traceback (most recent call last)"))
