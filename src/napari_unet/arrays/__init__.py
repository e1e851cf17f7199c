"""Functions on arrays: axes, intensity, targets, tile geometry, cells, metrics. No torch here."""
