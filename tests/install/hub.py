"""A napari hub and a package index in one, on this machine, for one wheel."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NAME = "napari-unet-live"


class _Hub(BaseHTTPRequestHandler):
    """Answers what napari's plugin manager and pip ask."""

    wheel: Path

    def do_GET(self) -> None:
        """Answer."""
        link = f'<a href="/files/{self.wheel.name}">{self.wheel.name}</a>'
        answers = {
            "/api/extended_summary": (_summary(self.wheel), "application/json"),
            "/api/conda": (b"{}", "application/json"),
            f"/simple/{NAME}/": (link.encode(), "text/html"),
            f"/files/{self.wheel.name}": (self.wheel.read_bytes(), "application/octet-stream"),
        }
        body, kind = answers.get(self.path, (b"", ""))
        self.send_response(200 if kind else 404)
        self.send_header("Content-Type", kind or "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _summary(wheel: Path) -> bytes:
    """What the hub lists: this plugin alone."""
    version = wheel.name.split("-")[1]
    entry = {
        "name": NAME,
        "version": version,
        "summary": "Paint a few strokes, watch a U-Net learn",
        "author": "The napari-unet-live developers",
        "license": "BSD-3-Clause",
        "home_page": "",
        "display_name": "U-Net live",
        "pypi_versions": [version],
        "conda_versions": [],
    }
    return json.dumps([entry]).encode()


@contextmanager
def serve(wheel: Path) -> Iterator[str]:
    """Serve a wheel; gives the address."""
    handler = type("Hub", (_Hub,), {"wheel": wheel})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
