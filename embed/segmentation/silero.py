"""Network of silero-vad for 16 kHz, in numpy: one product of matrices for all frames of a block.

The package's own graph convolves each frame for itself, so its products are four columns wide, and a processor spends
its time on their edges.  The weights are read from that graph; the values differ from its own by rounding alone.
Each product has one shape, whatever was asked: so a frame's values are the same, to the bit, on one thread.
Its Fourier transform has a symmetric window, so the products are of sums and differences of halves: half the work.

    N frames · W samples of a frame · S steps · B blocks · H = 128 · G = 4 H
"""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from embed.encoder import FloatArray

CONTEXT, FRAME = 64, 512  # samples that the network sees: those before a frame, and its own
TOGETHER = 16  # blocks of one run of the recurrent layer
H = 128
_WINDOW, _HOP = 256, 128
_STRIDES = (1, 2, 2, 1)
_FLOAT = 1  # ONNX's number of the type
_VARINT, _BYTES, _FIXED = 0, 2, {1: 8, 5: 4}  # kinds of fields; bytes of those of fixed size


class Network(NamedTuple):
    cosines: (
        FloatArray  # [128, 129], for the sums of the samples of a window that have the same distance from its middle
    )
    sines: FloatArray  # [128, 129], for their differences
    convs: list[tuple[FloatArray, FloatArray]]  # weights [3, in, out], bias
    enter: FloatArray  # [H, 4H], of the four gates: input, output, forget, cell
    again: FloatArray  # [H, 4H]
    bias: FloatArray  # [4H]
    leave: FloatArray  # [H]
    leave_bias: np.float32


def gates(network: Network, frames_NW: FloatArray) -> FloatArray:
    """[N, 4H]: what the frames, each with its context, give to the recurrent layer."""
    mirrored = frames_NW[:, -2 : -2 - CONTEXT : -1]  # the last window is longer than the frame
    forward = np.concatenate([frames_NW, mirrored], axis=1)
    backward = np.ascontiguousarray(forward[:, ::-1])
    steps = [_magnitudes(network, forward, backward, _HOP * i) for i in range(FRAME // _HOP)]
    for (weights, bias), stride in zip(network.convs, _STRIDES, strict=True):
        steps = [_convolved(steps, at, weights, bias) for at in range(0, len(steps), stride)]
    found: FloatArray = steps[0] @ network.enter
    found += network.bias
    return found


def probabilities(network: Network, gates_SBG: FloatArray, fresh: Sequence[int]) -> FloatArray:
    """[S, B]: of speech; block b starts from a fresh state at step fresh[b]."""
    states_SBH = np.empty((*gates_SBG.shape[:2], H), np.float32)
    hidden, cell = np.zeros_like(states_SBH[0]), np.zeros_like(states_SBH[0])
    gate, kept = np.empty_like(gates_SBG[0]), np.empty_like(cell)
    logistic, (enter, leave, forget, new) = gate[:, : 3 * H], np.split(gate, 4, axis=1)
    starts = np.array(fresh)
    restarts = {int(step) for step in starts if step}
    for step, given in enumerate(gates_SBG):
        if step in restarts:
            hidden[starts == step] = cell[starts == step] = 0
        np.matmul(hidden, network.again, out=gate)
        gate += given
        np.tanh(gate, out=gate)
        logistic *= 0.5  # with the halves in the weights: the logistic function
        logistic += 0.5
        np.multiply(enter, new, out=kept)
        cell *= forget
        cell += kept
        hidden = np.multiply(leave, np.tanh(cell, out=kept), out=states_SBH[step])
    np.maximum(states_SBH, 0, out=states_SBH)
    scores: FloatArray = (states_SBH * network.leave).sum(2) + network.leave_bias
    found: FloatArray = np.tanh(scores * np.float32(0.5)) * np.float32(0.5) + np.float32(0.5)
    return found


@cache
def load(path: Path) -> Network:
    """The weights in the graph of the package that takes whole sequences."""
    found = dict(_tensors(path.read_bytes()))
    convs = [
        (np.ascontiguousarray(found[f"encoder.{i}.weight"].transpose(2, 1, 0)), found[f"encoder.{i}.bias"])
        for i in range(len(_STRIDES))
    ]
    enter, again, bias = (found[name][0] for name in sorted(name for name in found if "LSTM" in name))
    halves = np.repeat(np.array([0.5, 0.5, 0.5, 1], np.float32), H)
    cosines, sines = np.split(found["stft.forward_basis_buffer"][:, 0, 1 : _HOP + 1].transpose(), 2, axis=1)
    middle = np.where(np.arange(_HOP) == _HOP - 1, np.float32(0.5), np.float32(1))  # this sample is added to itself
    return Network(
        np.ascontiguousarray(cosines * middle[:, None]),
        np.ascontiguousarray(sines),
        convs,
        np.ascontiguousarray((enter * halves[:, None]).T),
        np.ascontiguousarray((again * halves[:, None]).T),
        (bias[: 4 * H] + bias[4 * H :]) * halves,
        found["output.weight"].reshape(H),
        found["output.bias"][0],
    )


def _magnitudes(network: Network, forward: FloatArray, backward: FloatArray, at: int) -> FloatArray:
    """[N, 129] of the window from sample `at` on; its first sample has no weight."""
    left = forward[:, at + 1 : at + 1 + _HOP]
    behind = backward.shape[1] - at - _WINDOW
    right = backward[:, behind : behind + _HOP]
    even: FloatArray = left + right
    odd: FloatArray = left - right
    found: FloatArray = np.matmul(even, network.cosines)
    odd = np.matmul(odd, network.sines)
    np.multiply(found, found, out=found)
    np.multiply(odd, odd, out=odd)
    found += odd
    return np.sqrt(found, out=found)


def _convolved(steps: Sequence[FloatArray], at: int, weights: FloatArray, bias: FloatArray) -> FloatArray:
    """The output at a step, from it and its neighbours; beyond the ends are zeros."""
    near = [(at + i - 1, weight) for i, weight in enumerate(weights) if 0 <= at + i - 1 < len(steps)]
    total: FloatArray = sum((steps[place] @ weight for place, weight in near[1:]), steps[near[0][0]] @ near[0][1])
    total += bias
    return np.maximum(total, 0, out=total)


def _tensors(model: bytes) -> Iterator[tuple[str, FloatArray]]:
    """Names and values of the float32 weights in an ONNX model (ModelProto.graph.initializer)."""
    for graph in _fields(model, 7):
        for tensor in _fields(graph, 5):
            dims, kind = [int(value) for value in _fields(tensor, 1)], list(_fields(tensor, 2))
            if kind == [_FLOAT]:
                (name,), (raw,) = _fields(tensor, 8), _fields(tensor, 9)
                yield bytes(name).decode(), np.frombuffer(raw, "<f4").reshape(dims)


def _fields(message: bytes, wanted: int) -> Iterator[Any]:
    """Values of one field of a message in the wire format of protocol buffers: whole numbers, or bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        value: Any = None
        if kind == _VARINT:
            value, at = _varint(message, at)
        elif kind == _BYTES:
            size, at = _varint(message, at)
            value, at = message[at : at + size], at + size
        else:
            at += _FIXED[kind]
        if key >> 3 == wanted:
            yield value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number at a place, seven bits a byte, and the place behind it."""
    value = shift = 0
    while True:
        value |= (message[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if message[at - 1] < 0x80:
            return value, at
