"""What the benchmarks share: where the data are, and how to tell that the machine was disturbed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

DATA = Path(os.environ.get("NAPARI_UNET_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def need(name: str) -> Path:
    """Folder of a data set, or the end of the program."""
    folder = DATA / name
    if not folder.is_dir():
        raise SystemExit(f"{folder} is missing: set NAPARI_UNET_DATA to the folder that holds '{name}'")
    return folder


def probe() -> float:
    """Seconds of a fixed matrix product: compare before and after a timing to see whether it was disturbed."""
    a = np.random.default_rng(0).random((1200, 1200), np.float32)
    began = time.perf_counter()
    for _ in range(5):
        a @ a
    return time.perf_counter() - began


def spread(values: list[float]) -> dict[str, float]:
    """Median, 95th percentile and largest."""
    middle, high = np.percentile(values, [50, 95])
    return {"median": round(middle, 2), "p95": round(high, 2), "max": round(max(values), 2), "n": len(values)}
