"""V_rand and V_info as they are written down: sums over single pixels."""

import math
from collections import Counter


def v_scores_by_pixel(segments, truth):
    """V_rand and V_info of the pixels where the truth is not 0.

    Every pixel with segment 0 is a segment of its own (Arganda-Carreras et al. 2015, eqs. 1 to 6).
    """
    places = zip(*truth.nonzero(), strict=True)
    pixels = [(int(truth[p]), int(segments[p]) or ("line", p)) for p in places]
    n = len(pixels)
    joint, t, s = (Counter(x) for x in (pixels, [a for a, _ in pixels], [b for _, b in pixels]))
    squares = [sum((c / n) ** 2 for c in counts.values()) for counts in (joint, t, s)]
    h_joint, h_t, h_s = (-sum(c / n * math.log(c / n) for c in counts.values()) for counts in (joint, t, s))
    v_info = 2 * (h_t + h_s - h_joint) / (h_t + h_s) if h_t + h_s > 0 else 1.0
    return squares[0] / (squares[1] / 2 + squares[2] / 2), v_info
