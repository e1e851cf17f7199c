"""Recipes: one word for the whole combination of network, loss, optimiser and augmentation of a source.

What a source does not tell is ours; the words say so. A recipe is a `TrainingSpec` like any other: it can be
printed, saved as JSON, edited and used again.
"""

from __future__ import annotations

from dataclasses import dataclass

from napari_unet.spec.networks import (
    PretrainedUNetSpec,
    UNet3DSpec,
    UNet2015Spec,
    UNetDiceSpec,
    UNetKerasSpec,
    VGG16UNetSpec,
    VNetSpec,
)
from napari_unet.spec.targets import TargetSpec
from napari_unet.spec.training import AugmentSpec, NormalisationSpec, TrainingSpec, TrainSpec


@dataclass(frozen=True)
class Recipe:
    """A training as a source describes it."""

    purpose: str
    spec: TrainingSpec


PAPER_AUGMENT = AugmentSpec(rotation=180, scale=0, elastic=10, elastic_grid=3, noise=0, probability=1)
"""Section 3.1 of the 2015 paper: shift, rotation, grey values, and displacements of deviation 10 on a 3x3 grid."""
FLIPS = AugmentSpec(
    rotate90=False, rotation=0, scale=0, elastic=0, contrast=0, brightness=0, noise=0, probability=0
)
PERCENTILE = NormalisationSpec(method="percentile")

RECIPES: dict[str, Recipe] = {
    "default": Recipe("ours: the default network, a minute", TrainingSpec()),
    "default-3d": Recipe("ours for stacks", TrainingSpec(net=UNet3DSpec())),
    "unet2015": Recipe(
        "Ronneberger et al. 2015: one tile of 572 per step, momentum 0.99, border weights, class balance, elastic "
        "deformation, ten hours; the learning rate is ours",
        TrainingSpec(
            target=TargetSpec(weight_map=True),
            net=UNet2015Spec(),
            train=TrainSpec(
                seconds=36_000,
                patch=(572, 572),
                batch=1,
                class_balance=True,
                optimizer="sgd",
                momentum=0.99,
                learning_rate=1e-4,
                weight_decay=0,
                schedule="constant",
                warmup=0,
                averaging=0,
                augment=PAPER_AUGMENT,
            ),
        ),
    ),
    "isbi2012-keras": Recipe(
        "the Keras tutorial on ISBI 2012: 512x512, batch 2, Adam 1e-4, 3 rounds of 100 steps; flips "
        "both ways and no shear are ours",
        TrainingSpec(
            net=UNetKerasSpec(),
            train=TrainSpec(
                steps=300,
                checks=3,
                patch=(512, 512),
                batch=2,
                optimizer="adam",
                learning_rate=1e-4,
                weight_decay=0,
                schedule="constant",
                warmup=0,
                averaging=0,
                augment=FLIPS.model_copy(update={"rotation": 0.2, "scale": 0.05, "probability": 1.0}),
            ),
            normalisation=PERCENTILE,
        ),
    ),
    "dice": Recipe(
        "soft Dice with Adam 1e-5; batch and patch are ours",
        TrainingSpec(
            net=UNetDiceSpec(),
            train=TrainSpec(
                seconds=3_600,
                batch=8,
                loss="dice",
                optimizer="adam",
                learning_rate=1e-5,
                weight_decay=0,
                schedule="constant",
                warmup=0,
                averaging=0,
            ),
        ),
    ),
    "vgg16-frozen": Recipe(
        "VGG16's ImageNet encoder, frozen; the decoder learns with Adam 1e-4; batch and patch are ours",
        TrainingSpec(
            net=VGG16UNetSpec(),
            train=TrainSpec(
                seconds=600,
                patch=(256, 256),
                encoder_weights="imagenet",
                freeze_encoder=True,
                optimizer="adam",
                learning_rate=1e-4,
                weight_decay=0,
                schedule="constant",
            ),
            normalisation=PERCENTILE,
        ),
    ),
    "vnet": Recipe(
        "Milletari et al. 2016: volumes of 128x128x64, two per step, Dice, momentum 0.99, learning "
        "rate 1e-4; that it stays so and the augmentation are ours",
        TrainingSpec(
            net=VNetSpec(),
            train=TrainSpec(
                seconds=36_000,
                patch=(64, 128, 128),
                batch=2,
                loss="dice",
                dice_squared=True,
                optimizer="sgd",
                momentum=0.99,
                learning_rate=1e-4,
                weight_decay=0,
                schedule="constant",
                warmup=0,
                averaging=0,
            ),
        ),
    ),
    "pretrained": Recipe(
        "ours: a light ImageNet encoder, all of it learning, a minute",
        TrainingSpec(
            net=PretrainedUNetSpec(),
            train=TrainSpec(seconds=60, encoder_weights="imagenet", learning_rate=1e-3),
            normalisation=PERCENTILE,
        ),
    ),
}
"""Every recipe by name."""
