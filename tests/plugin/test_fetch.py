"""Downloads: what is asked for, progress, end, errors and cancelling; nothing leaves this machine."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pooch
import pytest
from pytestqt.qtbot import QtBot

from napari_unet.errors import UserError
from napari_unet.plugin.fetch import End, Fetch, Progress, missing_weights
from napari_unet.spec import RECIPES, TrainingSpec
from napari_unet.storage import weights
from napari_unet.storage.weights import VGG16, Weights

CONTENT = bytes(range(256)) * 8192


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.delenv(weights.VARIABLE, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache" / "napari-unet-live" / "weights"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[[bytes], Weights]]:
    """Serves a file on the loopback; what is expected of it may differ."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "small.pth").write_bytes(CONTENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/small.pth"
        yield lambda expected: Weights(
            "small.pth", url, hashlib.sha256(expected).hexdigest(), len(expected), "made for a test"
        )
        server.shutdown()
        thread.join()


def listen(fetch: Fetch) -> tuple[list[Progress], list[End]]:
    told: list[Progress] = []
    ends: list[End] = []
    fetch.progressed.connect(told.append)
    fetch.ended.connect(ends.append)
    return told, ends


def test_only_vgg16_from_imagenet_needs_a_download(cache: Path) -> None:
    spec = RECIPES["vgg16-frozen"].spec
    own = spec.train.model_copy(update={"encoder_file": Path("mine.pth")})
    assert missing_weights(spec) is VGG16
    assert missing_weights(spec.model_copy(update={"train": own})) is None
    assert missing_weights(RECIPES["pretrained"].spec) is None
    assert missing_weights(TrainingSpec(net=spec.net)) is None
    cache.mkdir(parents=True)
    (cache / VGG16.name).touch()
    assert missing_weights(spec) is None


def test_a_download_comes_whole(served: Callable[[bytes], Weights], cache: Path, qtbot: QtBot) -> None:
    fetch = Fetch()
    told, ends = listen(fetch)
    fetch.start(served(CONTENT))
    qtbot.waitUntil(lambda: bool(ends))
    assert ends == [End(1)]
    assert told[-1] == Progress(1, len(CONTENT), len(CONTENT))
    assert (cache / "small.pth").read_bytes() == CONTENT


def test_another_hash_is_told_and_nothing_kept(
    served: Callable[[bytes], Weights], cache: Path, qtbot: QtBot
) -> None:
    fetch = Fetch()
    _, ends = listen(fetch)
    fetch.start(served(CONTENT[::-1]))
    qtbot.waitUntil(lambda: bool(ends))
    assert "wrong SHA-256" in ends[0].error
    assert "\n" not in ends[0].error
    assert list(cache.iterdir()) == []


def test_no_network_is_told(qtbot: QtBot) -> None:
    fetch = Fetch()
    _, ends = listen(fetch)
    fetch.start(Weights("small.pth", "http://127.0.0.1:9/small.pth", "0" * 64, 9, ""))  # nobody answers there
    qtbot.waitUntil(lambda: bool(ends))
    assert "small.pth could not be downloaded (no connection)" in ends[0].error


def test_cancelling_ends_it_and_keeps_nothing(cache: Path, qtbot: QtBot) -> None:
    begun, go_on, over = threading.Event(), threading.Event(), threading.Event()

    def slow(_: Weights, progress: Callable[[int, int], None]) -> Path:
        progress(1, 9)
        begun.set()
        go_on.wait(30)
        try:
            progress(2, 9)
        finally:
            over.set()
        raise AssertionError("it went on")

    fetch = Fetch(slow)
    told, ends = listen(fetch)
    fetch.start(VGG16)
    assert begun.wait(30)
    fetch.cancel()
    go_on.set()
    assert over.wait(30)
    qtbot.wait(50)
    assert told == [Progress(1, 1, 9)]
    assert ends == []


@pytest.mark.parametrize(
    ("failure", "words"),
    [(UserError("no room"), "no room"), (RuntimeError("odd"), "could not be downloaded (RuntimeError: odd)")],
)
def test_whatever_fails_is_told(failure: Exception, words: str, qtbot: QtBot) -> None:
    def fail(*_: object) -> Path:
        raise failure

    fetch = Fetch(fail)
    _, ends = listen(fetch)
    fetch.start(VGG16)
    qtbot.waitUntil(lambda: bool(ends))
    assert words in ends[0].error
