import pytest

import napari_unet as nu
from synthetic import classes, tissue


@pytest.fixture(scope="session")
def trained_2d():
    """A network that has really learnt something: random weights hide every seam."""
    image, cells = tissue((160, 200), 60)
    return nu.train(image, classes(cells), steps=60, base=8, depth=2, patch=(96, 96), val_fraction=0.1)


@pytest.fixture(scope="session")
def trained_3d():
    """The same in 3D."""
    image, cells = tissue((20, 48, 56), 30)
    return nu.train(image, classes(cells), net="unet3d", steps=30, base=6, depth=1, patch=(16, 32, 32), batch=2)
