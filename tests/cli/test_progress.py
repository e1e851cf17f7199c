"""Progress where there is no terminal: a line every few seconds, none twice."""

from napari_unet.cli import progress
from napari_unet.events import Preparing, TileDone


def test_work_that_waits_is_told_once(monkeypatch, capsys):
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    waits = Preparing("waiting for workers", 1, 4)
    events = [TileDone(1, 4, 5.0, 15.0), waits, waits, waits, TileDone(4, 4, 20.0, 0.0)]
    assert progress.follow(iter(events), "a.tif") is None
    assert capsys.readouterr().err.splitlines() == [
        "a.tif: 25%, tile 1 of 4, 15 s left",
        "a.tif: 25%, waiting for workers",
        "a.tif: 100%, tile 4 of 4, 0 s left",
    ]
