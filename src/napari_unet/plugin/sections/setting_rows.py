"""What can be set under Advanced beside the network: captions, explanations and editors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog

from napari_unet.plugin.sections.form import Row, file_or, number, one_of, switch, whole
from napari_unet.spec import AugmentSpec

NO_AUGMENT = AugmentSpec(
    flip=False, rotate90=False, rotation=0, scale=0, elastic=0, contrast=0, brightness=0, noise=0, probability=0
)
_DEVICES = (
    ("auto", "cpu", "cuda", "mps"),
    ("automatic", "processor (CPU)", "NVIDIA GPU (cuda)", "Apple GPU (mps)"),
)
_PRECISIONS = (("auto", "full", "half"), ("automatic precision", "full precision", "half precision"))
_LOSSES = (
    (None, "cross-entropy", "binary-cross-entropy", "dice", "dice+cross-entropy"),
    ("the network's own", "cross-entropy", "binary cross-entropy", "Dice", "Dice + cross-entropy"),
)


def _of_sgd(values: Any) -> bool:
    return bool(values["optimizer"] == "sgd")


TRAIN_ROWS = (
    Row(
        "loss",
        "Loss",
        "What counts as wrong. Cross-entropy: every pixel. Dice: the overlap of each class, for rare ones.\n"
        "Binary cross-entropy goes with sigmoid, cross-entropy with softmax.",
        one_of(*_LOSSES),
    ),
    Row(
        "class_balance", "Rare classes", "Pixels of rarely painted classes count more.", switch(text="count more")
    ),
    Row(
        "optimizer",
        "Optimiser",
        "How the weights follow the loss. AdamW suits most; SGD is what the 2015 paper used.",
        one_of(("adamw", "adam", "sgd"), ("AdamW", "Adam", "SGD with momentum")),
    ),
    Row(
        "start",
        "Start",
        "What the network knows before the first stroke, if it is the default one: cells and lines in many kinds\n"
        "of images, which it learnt beforehand; or nothing. To train a model of yours further, open it\n"
        "(Model) and press Go on.",
        one_of(("shipped", "random"), ("what it learnt beforehand", "nothing")),
    ),
    Row(
        "anchor",
        "Keep to it",
        "How much it keeps to what it knew where nothing is painted. Lower it if it does not follow your strokes.",
        number(0, 100, 0.25, 2),
    ),
    Row(
        "momentum",
        "Momentum",
        "How much of the last step is taken again (SGD only).",
        number(0, 0.999, 0.01, 3),
        _of_sgd,
    ),
    Row(
        "learning_rate",
        "Learning rate",
        "Size of the steps. Lower it if the loss jumps.",
        number(1e-12, 10, 0, 12),
    ),
    Row("patch", "Patch", "Size of the pieces that are learnt from, pixels.", one_of((None,), ("automatic",))),
    Row("batch", "Batch", "Patches per step. Fewer if the memory is short.", whole(1, 1024)),
    Row(
        "augment",
        "Augmentation",
        "Turn, stretch and change the patches at random: more robust with few strokes.",
        switch(AugmentSpec(), NO_AUGMENT, "on"),
    ),
    Row(
        "val_fraction",
        "Held out",
        "Part of the strokes that is not learnt from but used to score the network; 0 is none.",
        number(0, 0.95, 0.05, 2),
    ),
)
NORMALISATION_ROWS = (
    Row(
        "method",
        "Grey values",
        "What is brought to the same scale in every image: its mean and spread, the range of nearly all its\n"
        "pixels (which bright dirt does not shift), or nothing.",
        one_of(("meanstd", "percentile", "none"), ("mean and spread", "range (percentiles)", "as they are")),
    ),
)


def _weighted(values: Any) -> bool:
    return bool(values["weight_map"])


TARGET_ROWS = (
    Row(
        "rim",
        "Rim",
        "Whole cells: how many pixels of a cell, from its outline inwards, are its boundary.",
        whole(1, 10),
        lambda values: bool(values["style"] == "cells"),
    ),
    Row(
        "weight_map",
        "Narrow gaps",
        "Pixels between cells that nearly touch count more: the border weights of the 2015 paper.",
        switch(text="count more"),
    ),
    Row(
        "border_weight",
        "Gap weight",
        "How much more, at most (w0 in the paper).",
        number(0, 1000, 1, 2),
        _weighted,
    ),
    Row(
        "border_sigma", "Gap width", "Up to about which width, pixels (sigma).", number(0.1, 1000, 1, 2), _weighted
    ),
)
DEVICE_ROW = Row("device", "Device", "What computes. Automatic takes a GPU if there is one.", one_of(*_DEVICES))
MACHINE_ROWS = (
    DEVICE_ROW,
    Row(
        "threads",
        "Threads",
        "CPU threads; automatic leaves one core to napari.",
        whole(1, 1024, automatic="automatic"),
    ),
    Row(
        "precision",
        "Training in",
        "Half precision makes half as many steps again in the same time; it needs a GPU, or a processor that\n"
        "computes so. Automatic takes it on a GPU, and for the default network wherever it is to be had.",
        one_of(*_PRECISIONS),
    ),
    Row("seed", "Seed", "The same seed draws the same patches.", whole(0, 2**31 - 1)),
)
_HALOS = (0, 16, 32, 48, 64, 96, 128)
TILING_ROWS = (
    Row(
        "tile",
        "Tile",
        "Largest side of a tile when segmenting, pixels. Smaller needs less memory.",
        whole(64, 65_536, automatic="automatic"),
    ),
    Row(
        "halo",
        "Halo",
        "Margin computed around each tile when segmenting. Exact: as if there were no tiles. Auto: the smallest\n"
        "margin that this image and model need, which is measured first. A number of pixels: as you like.",
        one_of(("exact", "auto", *_HALOS), ("exact", "auto (measured)", *(f"{n} pixels" for n in _HALOS))),
    ),
    Row(
        "precision",
        "Segmenting in",
        "Half precision is nearly twice as fast, but some pixels in ten thousand change; it needs a GPU, or a\n"
        "processor that computes so. Automatic is half on a GPU, else full.",
        one_of(*_PRECISIONS),
    ),
    Row(
        "mirrors",
        "Mirror images",
        "When segmenting, predicts the image turned by half (2) and mirrored (4) as well, and averages: better\n"
        "where the network is in doubt, for two or four times the time (test-time augmentation). The preview in\n"
        "the dock U-Net does so by itself, one at every refresh.",
        one_of((1, 2, 4), ("none", "2, averaged", "4, averaged")),
    ),
)


def ask_for_weights_file() -> Path | None:
    """Ask for a file of ImageNet weights; None: the user would rather not."""
    path, _ = QFileDialog.getOpenFileName(
        None, "Weights of the encoder", "", "Weights (*.pth *.pt *.safetensors);;All files (*)"
    )
    return Path(path) if path else None


ENCODER_ROWS = (
    Row(
        "encoder_weights",
        "Encoder starts",
        "What the way down knows at first: nothing, or what it learnt on ImageNet's photographs, which helps\n"
        "where little is painted.",
        one_of(("random", "imagenet"), ("at random", "from ImageNet")),
    ),
    Row(
        "encoder_file",
        "Weights",
        "Where ImageNet's weights come from. As published: you are asked before anything is downloaded.",
        file_or("as published", lambda: ask_for_weights_file()),
        lambda values: bool(values["encoder_weights"] == "imagenet"),
    ),
    Row(
        "freeze_encoder",
        "Freeze encoder",
        "Leave the way down as it starts and learn the way up alone: faster, and fewer strokes are enough.",
        switch(text="on"),
    ),
)
