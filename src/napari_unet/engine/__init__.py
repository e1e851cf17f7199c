"""The computing process: started by the window, fed through pipes, free to die.

Import `napari_unet.engine.client` in the window; it needs neither torch nor `napari_unet.jobs`.
"""
