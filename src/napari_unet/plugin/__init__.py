"""The window: the only room that knows napari and Qt. It shows and asks; the work runs in the engine."""
