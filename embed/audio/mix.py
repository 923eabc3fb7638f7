"""Mix of channels to mono: their mean, except in seconds where two channels cancel each other.

In a recording whose second channel is inverted (a miswired cable), the mean is silence.  There the later channel of
the pair changes its sign.

- Decisions are made for whole seconds of the recording, from these seconds alone, so they do not depend on the place
  where decoding began.
- From the middle of one second to the middle of the next a sign changes gradually: no clicks.
- Where no channels cancel, the mean is unchanged to the last bit.
- Of two channels, the energy of the mean shows at once that they do not cancel: the usual case costs a sixth.
"""

from functools import reduce

import numpy as np

from embed.encoder import FloatArray

# Correlation, by energy, from which a pair cancels: of one voice in both channels, inverted, with noise 8 dB below it.
# Wide stereo music seldom passes -0.6 for a second, and its mean then loses only 4 dB.
_OPPOSITE = -0.85
_PAIRWISE = 8  # numbers from which numpy adds in another order
_AUDIBLE = 0.01  # least share of a pair in the energy of all channels
_SAFE = 0.2  # share of the energy of two channels in that of their sum; where they cancel it is under 1 + _OPPOSITE


def mean_of(frames: FloatArray) -> FloatArray:
    """[N] from [N] or [N, C]: the mean of all channels; not finite where one of them is not."""
    if frames.ndim == 1:
        return frames
    channels_CN = frames.T
    with np.errstate(invalid="ignore", over="ignore"):
        # The same bits as numpy's mean, which is fifty times slower along so short an axis.
        total: FloatArray = reduce(np.add, channels_CN) if len(channels_CN) < _PAIRWISE else channels_CN.sum(axis=0)
        return np.divide(total, np.float32(len(channels_CN)), out=total if len(channels_CN) > 1 else None)


def mixed(frames_NC: FloatArray, rate: int) -> FloatArray:
    """[N], finite, of frames that begin with a whole second of the recording."""
    if not len(frames_NC):
        return mean_of(frames_NC)
    starts = range(0, len(frames_NC), rate)
    mean_N = mean_of(frames_NC)
    if all(_is_safe(frames_NC[start : start + rate], mean_N[start : start + rate]) for start in starts):
        return mean_N
    signs_SC = np.stack([_signs(frames_NC[start : start + rate]) for start in starts])
    if signs_SC.min() > 0:
        return mean_N
    places = np.arange(len(frames_NC))
    middles = [start + min(rate, len(frames_NC) - start) / 2 for start in starts]
    gains = [np.interp(places, middles, signs).astype(np.float32) for signs in signs_SC.T]
    return mean_of(frames_NC * np.stack(gains, axis=1))


def _is_safe(second_NC: FloatArray, mean_N: FloatArray) -> bool:
    """Whether this second surely has no channels that cancel; False where `_signs` must look.

    An offset is left out of the sum, and not of the channels: that errs towards False alone, as does overflow.
    """
    if second_NC.shape[1] != 2:
        return False
    with np.errstate(invalid="ignore", over="ignore"):
        values = second_NC.ravel(order="K")
        of_sum = 4 * (np.dot(mean_N, mean_N) - mean_N.sum() ** 2 / len(mean_N))
        return bool(of_sum >= _SAFE * np.dot(values, values))


def _signs(second_NC: FloatArray) -> FloatArray:
    """[C], of one second: -1 for a channel that cancels an earlier one, if that one is not inverted itself."""
    with np.errstate(invalid="ignore", over="ignore"):
        sums_C = np.ones(len(second_NC), np.float32) @ second_NC
        products_CC = second_NC.T @ second_NC - np.outer(sums_C, sums_C) / len(second_NC)  # without any offset
        powers = np.diag(products_CC)
        pairs_CC = powers[:, None] + powers
        cancel_CC = (2 * products_CC < _OPPOSITE * pairs_CC) & (pairs_CC > _AUDIBLE * powers.sum())
    signs = np.ones(len(powers), np.float32)
    for channel in range(1, len(signs)) if cancel_CC.any() else ():
        earlier = np.flatnonzero(cancel_CC[channel, :channel])
        if len(earlier):
            signs[channel] = -signs[earlier[0]]
    return signs
