"""The pictures of the demonstration."""

import numpy as np

from napari_unet.jobs.demo import GAP, STRIP, picture


def test_every_panel_has_its_title_and_its_values():
    grey = np.linspace(0, 1, 100 * 140).reshape(100, 140)
    inside = np.where(np.arange(140) < 70, 0.0, 1.0) * np.ones((100, 1))
    cells = np.zeros((100, 140), int)
    cells[20:60, 20:60] = 3
    sheet = picture(grey * 1000, inside, cells)
    assert sheet.shape == (100 + STRIP, 3 * 140 + 2 * GAP, 3)
    starts = [n * (140 + GAP) for n in range(3)]
    image, probability, outlined = (sheet[STRIP:, x : x + 140] for x in starts)
    assert (np.diff(image[..., 0].astype(int).ravel()) >= 0).all()
    np.testing.assert_array_equal(probability[..., 0], inside * 255)
    np.testing.assert_array_equal(outlined[80:], image[80:])
    assert (outlined[20, 20:60] == (255, 230, 26)).all()
    words = [(sheet[:STRIP, x : x + 140] < 128).any(axis=2) for x in starts]
    assert all(w.sum() > 30 for w in words)
    assert not np.array_equal(words[0], words[2])
