"""What pages take from the code: networks with facts and drawings, recipes, weights, and keys."""

from __future__ import annotations

from typing import Any

import torch
from docutils import nodes
from make_drawings import draw
from make_rooms import draw_rooms
from network_trace import example_size, size_words, trace
from sphinx.util.docutils import SphinxDirective
from torch.utils.flop_counter import FlopCounterMode

from napari_unet.nets import NETS, build, count_parameters, geometry_of
from napari_unet.plugin.keymap import ESCAPE, UNET_KEYS
from napari_unet.spec import RECIPES, NetSpec, TrainingSpec, default_loss
from napari_unet.storage.weights import VGG16


def facts(spec: NetSpec) -> list[tuple[str, str]]:
    """Say in pairs of words what a network is."""
    geometry = geometry_of(spec)
    with torch.device("meta"):
        parameters = count_parameters(build(spec))
    output = trace(spec).maps[-1]
    valid = any(geometry.margin)
    context = "margin (context taken away from every side)" if valid else "exact halo"
    return [
        ("parameters", f"{parameters:,}"),
        ("a pixel sees", f"{size_words(geometry.receptive_field)} pixels"),
        (context, f"{_short(geometry.margin if valid else geometry.halo)} pixels"),
        ("tiles begin at multiples of", _short(geometry.stride)),
        ("an input of", f"{size_words(example_size(spec))} gives {size_words((output.channels, *output.size))}"),
        ("computing for that", f"{operations(spec) / 1e9:.0f} billion operations"),
        ("activation, loss", f"{spec.activation}, {default_loss(spec)}"),
    ]


def operations(spec: NetSpec) -> int:
    """Count the additions and multiplications of the drawn input's way through a network."""
    with torch.device("meta"):
        network, image = build(spec).eval(), torch.zeros(1, spec.in_channels, *example_size(spec))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image)
    return counter.get_total_flops()


def _short(lengths: tuple[int, ...]) -> str:
    return str(lengths[0]) if len(set(lengths)) == 1 else size_words(lengths)


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Write a table in Markdown, by lines."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def recipe_row(name: str, purpose: str, spec: TrainingSpec) -> list[str]:
    """Say what a recipe is in a row of a table."""
    train = spec.train
    budget = f"{train.steps:,} steps" if train.steps else _time(train.seconds or 60)
    patch = size_words(train.patch) if train.patch else "chosen"
    rate = f"{train.optimizer} {train.learning_rate:.0e}".replace("e-0", "e-")
    loss = train.loss or default_loss(spec.net)
    return [f"`{name}`", f"`{spec.net.kind}`", f"{patch}, {train.batch}", loss, rate, budget, purpose]


def _time(seconds: float) -> str:
    for length, unit in ((3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"


class _Markdown(SphinxDirective):
    """A directive that writes Markdown, which is then read like the rest of the page."""

    def lines(self) -> list[str]:
        """Give the Markdown."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Read it."""
        return self.parse_text_to_nodes("\n".join(self.lines()))


class Network(_Markdown):
    """``{network} NAME``: a network's facts and drawing."""

    required_arguments = 1

    def lines(self) -> list[str]:
        """Give the facts."""
        spec = NETS[self.arguments[0]].spec()
        return table([f"`{spec.kind}`", "by default"], [[what, how] for what, how in facts(spec)])

    def run(self) -> list[nodes.Node]:
        """Add the drawing."""
        spec = NETS[self.arguments[0]].spec()
        drawing = f'<figure class="network" style="margin:1.5em 0">\n{draw(spec)}\n</figure>'
        return [*super().run(), nodes.raw("", drawing, format="html")]


class Networks(_Markdown):
    """``{networks}``: every network in a row."""

    def lines(self) -> list[str]:
        """Give the table."""
        rows = []
        for name, family in NETS.items():
            (_, parameters), (_, sees), (_, halo), *_ = facts(family.spec())
            rows.append([f"[`{name}`](#{name})", parameters, sees, halo, family.purpose])
        return table(["network", "parameters", "a pixel sees", "exact halo or margin", "what it is for"], rows)


class Rooms(SphinxDirective):
    """``{rooms}``: the drawing of the rooms of the code."""

    def run(self) -> list[nodes.Node]:
        """Add the drawing."""
        drawing = f'<figure style="margin:1.5em 0">\n{draw_rooms()}\n</figure>'
        return [nodes.raw("", drawing, format="html")]


class Recipes(_Markdown):
    """``{recipes}``: every recipe in a row."""

    def lines(self) -> list[str]:
        """Give the table."""
        rows = [recipe_row(name, recipe.purpose, recipe.spec) for name, recipe in RECIPES.items()]
        head = ["recipe", "network", "patch, batch", "loss", "optimiser", "budget", "whose"]
        return table(head, rows)


class Weights(_Markdown):
    """``{vgg16-weights}``: what a person is told before VGG16's weights are downloaded."""

    def lines(self) -> list[str]:
        """Give the words."""
        return [f"> {VGG16.words}"]


class KeyTable(_Markdown):
    """``{keys}``: the keys of the window."""

    def lines(self) -> list[str]:
        """Give the table."""
        return table(
            ["key", "what it does"],
            [*([f"**{key.default}**", key.does] for key in UNET_KEYS.values()), ["**Escape**", ESCAPE]],
        )


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    for name, directive in (
        ("network", Network),
        ("networks", Networks),
        ("recipes", Recipes),
        ("rooms", Rooms),
        ("vgg16-weights", Weights),
        ("keys", KeyTable),
    ):
        app.add_directive(name, directive)
    return {"parallel_read_safe": True}
