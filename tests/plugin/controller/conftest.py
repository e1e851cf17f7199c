"""A controller at work, without a window."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugin_tools import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, scale=(3, 0.5, 0.5), translate=(1, 2, 3), units=("um", "um", "um"))
