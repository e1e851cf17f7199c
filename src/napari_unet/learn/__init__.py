"""Learning and predicting: sampling, augmentation, loss, the loop, the tiled predictor, model files."""
