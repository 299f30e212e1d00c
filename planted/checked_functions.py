"""Functions at the top of a file, for checks that run them in a process of their own."""

import ctypes
import os
import sys
import time

import numpy as np


def right(dout, x, w):
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


def raises(dout, x, w):
    raise KeyError("missing")


def hangs(dout, x, w):
    time.sleep(1000)


def ends(dout, x, w):
    os._exit(3)


def ends_politely(dout, x, w):
    raise SystemExit(2)


def prints(dout, x, w):
    print("shapes:", dout.shape)
    os.write(1, b"and past Python")
    return right(dout, x, w)


def too_many(dout, x, w):
    return right(dout, x, w) * 2


def nothing(dout, x, w):
    return None


def text(dout, x, w):
    return "42"


def wrong_shape(dout, x, w):
    return np.zeros((11, 13))


def not_a_number(dout, x, w):
    dx, dw, db = right(dout, x, w)
    dx[0, 0] = np.nan
    return dx, dw, db


def too_large(dout, x, w):
    return np.zeros(10**12)


class Layer:
    def __call__(self, dout, x, w):
        return right(dout, x, w)


def leaves_a_child(dout, x, w):
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(4)


def sends_nonsense(dout, x, w):
    for place in range(3, 12):
        try:
            os.write(place, b'{"tree": {}, "arrays": [["<f8", [-7]]]}\nnonsense\n')
        except OSError:
            continue
    return right(dout, x, w)


def segfaults(dout, x, w):
    ctypes.string_at(0)


def interrupts(dout, x, w):
    raise KeyboardInterrupt


def generates(dout, x, w):
    yield dout


def complex_numbers(dout, x, w):
    return (dout @ w.T).astype(complex)


def whole_numbers(dout, x, w):
    return (dout @ w.T).astype(int)


def far_too_large(dout, x, w):
    return np.zeros((2000, 2000))


def closes_its_output(dout, x, w):
    sys.stdout.close()
    return right(dout, x, w)


def any_arguments(*arguments):
    return right(*arguments)


def changes_its_arguments(dout, x, w):
    gradients = right(dout, x, w)
    dout *= 2
    x += 1
    return gradients


def takes_half_a_second(dout, x, w):
    time.sleep(0.5)
    return right(dout, x, w)


def wrong_after_half_a_second(dout, x, w):
    time.sleep(0.5)
    return np.sin(dout @ w.T)


def fills_memory(dout, x, w):
    kept = []
    while True:
        kept.append(np.ones(10**6))
