"""ISBI 2012, dense labels: every 2D network gets the same number of seconds.

    python benchmarks/isbi_recipes.py [--seconds 60] [--seeds 0] [--width narrow|full] [--settings own|common]
                                      [--more] [--only NAME ...] > results.txt
    python benchmarks/isbi_recipes.py --table results.txt

Trains on slices 0 to 15, scores slices 16 to 19. Prints a JSON line per training and a table in Markdown at the
end; ``--table`` makes the table of the lines of earlier runs. Seconds are those of training alone.

Own settings are those of the network's recipe, but for the budget. They are what their sources say, and some of
those learn for hours. Common settings are the default recipe's for all (AdamW, cosine, averaged weights), with
the rate 3e-4 for networks without BatchNorm. ``narrow``: 16 channels at the first level for all; ImageNet's
weights need VGG16's full width, and have it.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tifffile
import torch

import napari_unet as nu
from common import need, probe
from napari_unet.arrays.metrics import membrane_score
from napari_unet.events import Event, StepDone
from napari_unet.jobs import Model, make_spec
from napari_unet.learn.device import choose_device
from napari_unet.spec import TilingSpec, TrainingSpec
from napari_unet.storage.weights import find_vgg16

NARROW = 16
"""Channels of the first level; the default network's own."""
WITHOUT_BATCHNORM = ("unet2015", "unet-keras", "unet-dice", "vgg16-unet")
GENTLE = 3e-4
TRAIN, TEST = slice(0, 16), slice(16, 20)
Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One line of the table: a network, its recipe, and what differs from it."""

    net: str
    recipe: str = "default"
    shape: Row = field(default_factory=dict)
    train: Row = field(default_factory=dict)

    @property
    def imagenet(self) -> bool:
        """Whether its encoder starts from ImageNet's weights."""
        return self.train.get("encoder_weights") == "imagenet"


RANDOM = {"encoder_weights": "random", "freeze_encoder": False}
CASES = {
    "unet": Case("unet"),
    "unet2015": Case("unet2015", "unet2015"),
    "unet-keras": Case("unet-keras", "isbi2012-keras"),
    "unet-dice": Case("unet-dice", "dice"),
    "vgg16-unet, random": Case("vgg16-unet", "vgg16-frozen", train=RANDOM),
    "vgg16-unet, ImageNet frozen": Case("vgg16-unet", "vgg16-frozen", train={"encoder_weights": "imagenet"}),
    "pretrained-unet, random": Case("pretrained-unet", "pretrained", train=RANDOM),
    "pretrained-unet, ImageNet": Case("pretrained-unet", "pretrained", train={"encoder_weights": "imagenet"}),
}
MORE = {
    "unet, skips added": Case("unet", shape={"skips": "sum"}),
    "unet, binary cross-entropy": Case("unet", train={"loss": "binary-cross-entropy"}),
    "unet, Dice": Case("unet", train={"loss": "dice"}),
    "unet, Dice and cross-entropy": Case("unet", train={"loss": "dice+cross-entropy"}),
}


def spec_of(case: Case, options: argparse.Namespace, seed: int) -> TrainingSpec:
    """Put together what a training is told."""
    own = options.settings == "own"
    shape = dict(case.shape)
    if options.width == "narrow" and not case.imagenet and case.net != "pretrained-unet":
        shape["base"] = NARROW
    train = dict(case.train)
    if not own:
        train.setdefault("freeze_encoder", case.recipe == "vgg16-frozen")
        if case.net in WITHOUT_BATCHNORM:
            train["learning_rate"] = GENTLE
    normalisation = "percentile" if case.net in ("vgg16-unet", "pretrained-unet") else None
    budget = {"seconds": options.seconds, "seed": seed, "device": options.device, "threads": options.threads}
    return make_spec(
        case.recipe if own else None, case.net, shape=shape, train=train | budget, normalisation=normalisation
    )


def run(case: Case, data: dict[str, Any], options: argparse.Namespace, seed: int) -> Row:
    """Train and score one case."""
    spec = spec_of(case, options, seed)
    before = probe()
    steps = Steps()
    model = nu.train(data["image"], data["labels"], recipe=spec, on_event=steps)
    facts = model.describe()
    probabilities = model.predict(data["test"], tiling=tiling(options))
    cells = membrane_score(model.cells(data["test"], tiling=tiling(options)), data["truth"])
    cut = membrane_score(np.clip(probabilities[0], 0, 1), data["truth"])
    train = model.spec.train
    return {
        "settings": options.settings,
        "base": spec.net.base,
        "seconds": options.seconds,
        "seed": seed,
        "parameters": facts["parameters"],
        "v_rand": round(cells.v_rand, 4),
        "v_info": round(cells.v_info, 4),
        "v_rand_cut": round(cut.v_rand, 4),
        "pixel_f1": round(pixel_f1(probabilities[1] > 0.5, data["truth"] == 0), 4),
        "steps": facts["steps"],
        "seconds_per_step": round(steps.length(), 4),
        "seconds_512": round(seconds_of_a_slice(model, data["test"][0], options), 4),
        "patch": list(train.patch or ()),
        "batch": train.batch,
        "optimizer": train.optimizer,
        "learning_rate": train.learning_rate,
        "machine": machine(options),
        "probe": [round(before, 3), round(probe(), 3)],
    }


class Steps:
    """Listens to a training for the time that a step takes."""

    def __init__(self) -> None:
        self.ends = [0.0]

    def __call__(self, event: Event) -> None:
        """Note the end of a step, in seconds of training."""
        if isinstance(event, StepDone):
            self.ends.append(event.seconds)

    def length(self) -> float:
        """Median of the steps; a check makes the one after it longer."""
        return float(np.median(np.diff(self.ends)))


def tiling(options: argparse.Namespace) -> TilingSpec:
    """Tell where to predict."""
    return TilingSpec(device=options.device, threads=options.threads)


def seconds_of_a_slice(model: Model, plane: np.ndarray, options: argparse.Namespace) -> float:
    """Time the prediction of one slice, from array to array: the best of three after a first one."""
    times = []
    for _ in range(4):
        began = time.perf_counter()
        model.predict(plane, tiling=tiling(options))
        times.append(time.perf_counter() - began)
    return min(times[1:])


def pixel_f1(found: np.ndarray, true: np.ndarray) -> float:
    """F1 of the membrane's pixels."""
    return float(2 * (found & true).sum() / max(1, found.sum() + true.sum()))


def machine(options: argparse.Namespace) -> str:
    """Name what computes."""
    device, _ = choose_device(options.device)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = options.threads or torch.get_num_threads()
    return f"{platform.machine()} CPU, {threads} threads, torch {torch.__version__}"


def table(rows: list[Row]) -> str:
    """Write the rows in Markdown under their conditions, the mean of the seeds of a case in a line."""
    head = (
        "network", "first level", "parameters", "V_rand", "V_info", "V_rand, cut", "pixel F1", "s per step",
        "steps", "s for 512 x 512", "optimiser",
    )  # fmt: skip
    lines = [*conditions(rows), "", _line(head), _line(["---"] * len(head))]
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        same = tuple(row[key] for key in ("case", "settings", "base", "seconds", "machine"))
        groups.setdefault(same, []).append(row)
    for same in groups.values():
        first = same[0]
        lines.append(
            _line(
                [
                    first["case"],
                    first["base"],
                    f"{first['parameters']:,}",
                    *(_mean(same, key, 3) for key in ("v_rand", "v_info", "v_rand_cut", "pixel_f1")),
                    _mean(same, "seconds_per_step", 2),
                    f"{np.mean([r['steps'] for r in same]):.0f}",
                    _mean(same, "seconds_512", 3),
                    f"{first['optimizer']} {first['learning_rate']:.0e}, {first['batch']} x {first['patch'][-1]}",
                ]
            )
        )
    return "\n".join(lines)


def conditions(rows: list[Row]) -> list[str]:
    """Say under which conditions the rows were measured."""
    told = {key: sorted({str(r[key]) for r in rows}) for key in ("seconds", "seed", "settings", "machine")}
    probes = [value for row in rows for value in row["probe"]]
    words = {key: ", ".join(values) for key, values in told.items()}
    return [
        "ISBI 2012 with dense labels, slices 0 to 15 for training and 16 to 19 for the scores; "
        f"{words['seconds']} s of training each, settings: {words['settings']}, seeds: {words['seed']}; "
        f"{words['machine']}. "
        f"A fixed computation before and after each took {min(probes):.2f} to {max(probes):.2f} s. "
        "V_rand and V_info are those of the cells, *cut* of the probabilities at the best threshold; F1 is "
        "that of the membrane's pixels.",
    ]


def _mean(rows: list[Row], key: str, digits: int) -> str:
    values = [row[key] for row in rows]
    spread = f" ± {(max(values) - min(values)) / 2:.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}"


def _line(values: Iterable[Any]) -> str:
    return "| " + " | ".join(str(v) for v in values) + " |"


def read_data() -> dict[str, Any]:
    """Read the slices."""
    source = need("isbi2012")
    volume, truth = (tifffile.imread(source / f"train-{n}.tif") for n in ("volume", "labels"))
    classes = np.where(truth > 0, 1, 2).astype(np.uint8)
    return {"image": volume[TRAIN], "labels": classes[TRAIN], "test": volume[TEST], "truth": truth[TEST]}


def main() -> None:
    """Run every case, or write the table of earlier runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--width", choices=["narrow", "full"], help="narrow on a CPU, full on a GPU by default")
    parser.add_argument("--settings", choices=["own", "common"], default="own")
    parser.add_argument("--more", action="store_true", help="the default with other losses and skips, too")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="networks or cases; a case in quotes")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--table", metavar="FILE", help="write the table of the lines in this file")
    options = parser.parse_args()
    if options.table:
        with open(options.table) as file:
            print(table([json.loads(line) for line in file if line.startswith("{")]))
        return
    if options.width is None:
        options.width = "narrow" if choose_device(options.device)[0].type == "cpu" else "full"
    every = CASES | MORE
    cases = every if options.more else CASES
    if options.only:
        cases = {k: c for k, c in every.items() if k in options.only or (k in cases and c.net in options.only)}
        if not cases:
            parser.error(f"--only: there is no such case; there are {', '.join(every)}")
    data, rows = read_data(), []
    for name, case in cases.items():
        if case.net == "vgg16-unet" and case.imagenet and find_vgg16() is None:
            print(f"{name}: VGG16's weights are not on this machine; left out", file=sys.stderr)
            continue
        for seed in options.seeds:
            rows.append({"case": name} | run(case, data, options, seed))
            print(json.dumps(rows[-1]), flush=True)
    print(f"\n{table(rows)}")


if __name__ == "__main__":
    main()
