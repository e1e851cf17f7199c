import numpy as np
import pytest

from engine_tools import FAKE, Recorder
from napari_unet.arrays.axes import Image
from napari_unet.engine.client import Engine
from napari_unet.spec import TrainingSpec, TrainSpec


@pytest.fixture
def make_engine():
    engines = []

    def make(command=FAKE):
        engine = Engine(command)
        engines.append(engine)
        return engine, Recorder(engine)

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture
def image():
    return Image(np.random.default_rng(0).integers(0, 256, (3, 40, 50), dtype=np.uint8), "ZYX")


@pytest.fixture
def labels():
    return Image(np.ones((3, 40, 50), np.uint8), "ZYX", name="labels")


@pytest.fixture
def spec():
    return TrainingSpec(train=TrainSpec(steps=30))
