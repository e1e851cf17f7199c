"""Learning and predicting: sampling, augmentation, loss, the loop, the tiled predictor, model files."""

import os

# Read by the OpenMP library when torch is first imported: idle threads sleep instead of spinning. On a machine
# that is busy with anything else, spinning makes a step several times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
