"""Settings of Sphinx; `make docs` builds with warnings as errors."""

import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # directives.py

project = "napari-unet-live"
author = "The napari-unet-live developers"
copyright = author
version = release = installed_version("napari-unet-live")

extensions = [
    "directives",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build", "_templates", "networks_measured.md"]  # the last one is included by networks.md
templates_path = ["_templates"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autosummary_generate = True
# Whatever a package passes on is documented where it is written, once.
autosummary_ignore_module_all = True
autosummary_imported_members = False
autodoc_default_options = {
    "members": True,
    "undoc-members": True,
    "show-inheritance": True,
    "ignore-module-all": True,
    "exclude-members": "model_config, model_post_init",
}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = False
napoleon_use_ivar = True
# `name` in a docstring is a function, class or argument; it becomes a link where there is just one of that name.
default_role = "py:obj"
suppress_warnings = ["ref.python"]

html_theme = "furo"
html_title = "napari-unet-live"
html_show_copyright = False


# Code in backticks, or a star that stands before a name, as in the shape (classes, *shape).
_CODE_OR_STAR = re.compile(r"(`+.+?`+)|(?<!\*)\*(?=\w)")


def keep_stars(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Keep reST from taking the star of an unpacked shape for the start of an emphasis."""
    lines[:] = [_CODE_OR_STAR.sub(lambda m: m[1] or r"\*", line) for line in lines]


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", keep_stars, priority=400)  # before napoleon adds its own stars
