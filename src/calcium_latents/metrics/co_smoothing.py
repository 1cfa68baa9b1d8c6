"""Co-smoothing: hidden neurons are predicted from the others (Pei et al. 2021, Neural Latents Benchmark, section 3).

Any method takes part that takes missing samples: fit it to the recording without the samples of `hidden_in_turn`, which
it sees of each neuron at other times, and score what it says of them by `metrics.held_out_scores`.
"""

import numpy as np


def hidden_in_turn(frames: int, parts: np.ndarray, window_frames: int) -> np.ndarray:
    """Return which samples are hidden, bool [frame, neuron]: in each window all neurons of one part, in turn.

    Args:
        frames: number of frames.
        parts: [neuron], number of the part that a neuron belongs to, from 0.
        window_frames: length of a window.
    """
    turn = np.arange(frames) // window_frames % (int(parts.max()) + 1)
    return turn[:, None] == parts
