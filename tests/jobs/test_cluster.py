"""Blocks on the workers of a dask cluster: as of one process; workers and schedulers that die are told."""

from __future__ import annotations

import socket
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from napari_unet.errors import UserError
from napari_unet.events import BlockDone, Note, Preparing
from napari_unet.jobs import Model, Request, batch, cluster, predict_file
from napari_unet.jobs.cluster import NOBODY_LEFT, ClusterError
from napari_unet.learn.start import shipped
from napari_unet.spec import BatchSpec, TilingSpec
from napari_unet.storage.read import open_image
from napari_unet.storage.unfinished import folder_of
from synthetic import tissue

distributed = pytest.importorskip("distributed")

IMAGE, _ = tissue((4, 90, 120), 120)
TILING = TilingSpec(tile=72, halo=16, device="cpu", threads=1)


@pytest.fixture(scope="module")
def model():
    return Model(shipped())


@pytest.fixture
def stack(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, IMAGE, photometric="minisblack", metadata={"axes": "ZYX"})
    return path


@pytest.fixture
def programs():
    """Start programs of dask that a test may kill."""
    running = []

    def start(*words):
        running.append(subprocess.Popen([sys.executable, "-m", "dask", *words, "--no-dashboard"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))  # fmt: skip
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for_workers(address, count=1):
    with distributed.Client(address, timeout="60s", set_as_default=False) as client:
        client.wait_for_workers(count, timeout=60)


def read(path):
    return np.asarray(open_image(path).data[...])


def words(events):
    return [e.text for e in events if isinstance(e, Note)]


def until(events, text):
    """Go on until something is said; returns all until then."""
    found = []
    for event in events:
        found.append(event)
        if isinstance(event, Note) and text in event.text:
            return found
    raise AssertionError(f"'{text}' is not said: {words(found)}")


def test_a_cluster_gives_the_same_bits_as_one_process(model, stack, tmp_path):
    whole, target = tmp_path / "whole.tif", tmp_path / "out.tif"
    list(predict_file(model, Request(stack, whole, tiling=TILING)))
    local = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    )
    with local as running:
        address = running.scheduler_address
        events = list(predict_file(model, Request(stack, target, tiling=TILING), scheduler=address))
    assert any("computing on 2 workers of" in w for w in words(events))
    blocks = [e for e in events if isinstance(e, BlockDone)]
    assert sorted(e.number for e in blocks) == list(range(blocks[0].total))
    np.testing.assert_array_equal(read(target), read(whole))


def test_workers_and_a_scheduler_that_die_are_told_in_words(model, stack, tmp_path, programs, monkeypatch, capfd):
    monkeypatch.setattr(cluster, "LOOK", 1.0)
    port, target = free_port(), tmp_path / "out.tif"
    address, request = f"tcp://127.0.0.1:{port}", Request(stack, target, tiling=TILING)
    scheduler = programs("scheduler", "--host", "127.0.0.1", "--port", str(port))
    worker = programs("worker", address, "--nthreads", "1", "--no-nanny")
    wait_for_workers(address)
    events = predict_file(model, request, scheduler=address)
    until(events, f"computing on 1 worker of the cluster at {address}")
    worker.kill()
    until(events, NOBODY_LEFT)
    assert isinstance(next(events), Preparing)  # a place to stop
    programs("worker", address, "--nthreads", "1", "--no-nanny")
    until(events, "going on with 1 worker")
    scheduler.kill()
    with pytest.raises(ClusterError, match=r"scheduler at .* has ended, .* the same command goes on"):
        list(events)
    assert capfd.readouterr().err == ""
    assert folder_of(target).exists()
    list(predict_file(model, request))
    assert read(target).shape == (3, *IMAGE.shape)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("tcp://127.0.0.1:9", r"no dask scheduler answers at tcp://127\.0\.0\.1:9"),
        ("tcp://10.0.0.7:8786", "on another machine and not encrypted"),
        ("foo", "the machine 'foo' of the scheduler foo is not known here; .* check its spelling"),
        ("tls://no.such.invalid:1", r"the machine 'no\.such\.invalid' .* is not known here"),
    ],
)
def test_a_scheduler_that_cannot_be_used_is_named_and_nothing_begun(
    model, stack, tmp_path, monkeypatch, address, why
):
    monkeypatch.setattr(cluster, "TIMEOUT", "1s")
    with pytest.raises(UserError, match=why):
        list(predict_file(model, Request(stack, tmp_path / "a.tif"), scheduler=address))
    assert list(tmp_path.iterdir()) == [stack]


def test_a_scheduler_without_workers_is_named_and_nothing_begun(model, stack, tmp_path):
    with (
        distributed.LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as running,
        pytest.raises(UserError, match="has no workers; start some"),
    ):
        list(predict_file(model, Request(stack, tmp_path / "a.tif"), scheduler=running.scheduler_address))
    assert list(tmp_path.iterdir()) == [stack]


def test_a_batch_asks_for_the_scheduler_once_and_first(model, stack, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "TIMEOUT", "1s")
    model.save(tmp_path / "m.safetensors")
    spec = BatchSpec(model=tmp_path / "m.safetensors", inputs=(str(stack),), folder=tmp_path / "out")
    with pytest.raises(ClusterError, match="no dask scheduler answers"):
        batch(spec, scheduler="tcp://127.0.0.1:9")
    assert not (tmp_path / "out").exists()
