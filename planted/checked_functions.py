"""Functions at the top of a file, for checks that run them in a process of their own."""

import ctypes
import os
import sys
import time

import numpy as np


def right(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


def raises(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> None:
    raise KeyError("missing")


def hangs(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> None:
    time.sleep(1000)


def ends(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> None:
    os._exit(3)


def ends_politely(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> None:
    raise SystemExit(2)


def prints(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
    print("shapes:", dout.shape)
    os.write(1, b"and past Python")
    return right(dout, x, w)


def too_many(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
    return right(dout, x, w) * 2


def nothing(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> None:
    return None


def text(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> str:
    return "42"


def wrong_shape(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    return np.zeros((11, 13))


def not_a_number(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
    dx, dw, db = right(dout, x, w)
    dx[0, 0] = np.nan
    return dx, dw, db


def too_large(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    return np.zeros(10**12)


class Layer:
    def __call__(self, dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
        return right(dout, x, w)


def leaves_a_child(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> None:
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(4)


def sends_nonsense(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
    for place in range(3, 12):
        try:
            os.write(place, b'{"tree": {}, "arrays": [["<f8", [-7]]]}\nnonsense\n')
        except OSError:
            continue
    return right(dout, x, w)


def segfaults(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> None:
    ctypes.string_at(0)


def interrupts(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> None:
    raise KeyboardInterrupt


def generates(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> object:
    yield dout


def complex_numbers(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> object:
    return (dout @ w.T).astype(complex)


def whole_numbers(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> object:
    return (dout @ w.T).astype(int)


def far_too_large(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    return np.zeros((2000, 2000))


def closes_its_output(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
    sys.stdout.close()
    return right(dout, x, w)


def any_arguments(*arguments: np.ndarray) -> tuple[np.ndarray, ...]:
    return right(*arguments)


def changes_its_arguments(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
    gradients = right(dout, x, w)
    dout *= 2
    x += 1
    return gradients


def takes_half_a_second(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
    time.sleep(0.5)
    return right(dout, x, w)


def wrong_after_half_a_second(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> object:
    time.sleep(0.5)
    return np.sin(dout @ w.T)


def fills_memory(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> None:
    kept = []
    while True:
        kept.append(np.ones(10**6))
