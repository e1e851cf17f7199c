"""Small networks of every family: a new family is one line here, and every test of networks runs on it."""

from napari_unet.spec import (
    PretrainedUNetSpec,
    UNet3DSpec,
    UNet2015Spec,
    UNetDiceSpec,
    UNetKerasSpec,
    UNetSpec,
    VGG16UNetSpec,
    VNetSpec,
)

SMALL = [
    UNetSpec(base=4, depth=2),
    UNetSpec(base=4, depth=3, up="resize", in_channels=2, classes=4),
    UNetSpec(base=4, depth=2, skips="sum", activation="sigmoid", classes=3),
    UNetSpec(base=4, depth=1, ndim=3),
    UNet3DSpec(base=4, depth=2, up="resize"),
    UNet3DSpec(base=4, strides=((1, 2, 2), (2, 2, 2)), kernels=((1, 3, 3), (3, 3, 3), (3, 3, 3))),
    UNet2015Spec(base=4, depth=2),
    UNet2015Spec(base=4, depth=3, batchnorm=True, classes=3),
    UNetKerasSpec(base=4, depth=2),
    UNetKerasSpec(base=4, depth=3, classes=3),
    UNetDiceSpec(base=4, depth=2, dropout=0.2, batchnorm=True),
    UNetDiceSpec(base=4, depth=3),
    VGG16UNetSpec(base=8),
    VNetSpec(base=2, depth=2),
    PretrainedUNetSpec(base=4),
]
