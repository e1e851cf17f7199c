import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pooch
import pytest

from napari_unet.errors import UserError
from napari_unet.storage import weights
from napari_unet.storage.weights import VGG16, Weights, download, find, places

CONTENT = bytes(range(256)) * 4096  # 1 MiB: several pieces


@contextmanager
def server(content, status=200):
    """Serve one file on the loopback; a list of the requests is given."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}/small.pth", asked
        finally:
            running.shutdown()
            thread.join()


def small(url="http://127.0.0.1:9/small.pth"):  # port 9: nobody answers
    return Weights("small.pth", url, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "made for a test")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own, no data folder, and no proxy on the way to the loopback."""
    folder = tmp_path / "cäche of ours"
    monkeypatch.setattr(pooch, "os_cache", lambda project: folder / project)
    monkeypatch.delenv(weights.VARIABLE, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return folder / "napari-unet-live" / "weights"


def put(path, content=CONTENT):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_vgg16_is_pinned():
    assert VGG16.url == f"https://download.pytorch.org/models/{VGG16.name}"
    assert VGG16.sha256.startswith(VGG16.name.removeprefix("vgg16-").removesuffix(".pth"))
    assert len(bytes.fromhex(VGG16.sha256)) == 32
    for fact in ("553 MB", VGG16.url, "BSD-3-Clause"):
        assert fact in weights.VGG16_WORDS


def test_a_given_file_comes_first_and_must_be_there(tmp_path, cache):
    put(cache / "small.pth")
    own = put(tmp_path / "my own.safetensors", b"mine")
    assert find(small(), own) == own
    with pytest.raises(UserError, match=r"there is no file of weights .*none\.pth"):
        find(small(), tmp_path / "none.pth")


def test_then_the_cache_then_the_data_folder(tmp_path, cache, monkeypatch):
    assert find(small()) is None
    monkeypatch.setenv(weights.VARIABLE, str(tmp_path / "data"))
    assert find(small()) is None
    there = put(tmp_path / "data" / "weights" / "small.pth")
    assert find(small()) == there
    kept = put(cache / "small.pth")
    assert find(small()) == kept
    assert places(small()) == [kept, there]


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[:-1] + b"\0"], ids=["short", "one byte"])
def test_a_damaged_copy_is_named(cache, content):
    path = put(cache / "small.pth", content)
    with pytest.raises(UserError, match=r"is damaged .* delete it") as error:
        find(small())
    assert str(path) in str(error.value)


def test_a_download_is_kept_and_tells_how_far_it_is(cache):
    told = []
    with server(CONTENT) as (url, asked):
        path = download(small(url), lambda done, total: told.append((done, total)))
        assert path == cache / "small.pth"
        assert path.read_bytes() == CONTENT
        assert download(small(url)) == path
        assert len(asked) == 1
    assert find(small()) == path
    assert len(told) > 2
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_damaged_copy_is_replaced_by_a_download(cache):
    put(cache / "small.pth", b"damaged")
    with server(CONTENT) as (url, _):
        assert download(small(url)).read_bytes() == CONTENT


def test_what_has_another_hash_is_refused_and_not_kept(cache):
    with (
        server(CONTENT[:-1] + b"\0") as (url, asked),
        pytest.raises(UserError, match=r"small\.pth could not be downloaded .*wrong SHA-256"),
    ):
        download(small(url))
    assert len(asked) == 1
    assert list(cache.iterdir()) == []


def test_a_server_that_refuses_is_quoted():
    with server(b"", status=404) as (url, _), pytest.raises(UserError, match=r"the server answered 404"):
        download(small(url))


def test_without_a_network_it_says_what_to_get_and_where_to_put_it(cache):
    with pytest.raises(UserError) as error:
        download(small())
    words = str(error.value)
    for fact in ("small.pth could not be downloaded (no connection)", small().url, str(cache / "small.pth")):
        assert fact in words
    assert "\n" not in words


def test_a_download_can_be_stopped_and_leaves_nothing(cache):
    class Stop(Exception):
        pass

    def stop(done, total):
        raise Stop

    with server(CONTENT) as (url, _), pytest.raises(Stop):
        download(small(url), stop)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_made_is_named(cache):
    put(cache.parent, b"a file where the folder should be")
    with pytest.raises(UserError, match=r"small\.pth could not be downloaded"):
        download(small())
