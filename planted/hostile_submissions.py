"""Submissions that try to stop, deceive or outlive the check: name -> (its code, the causes that it may get).

`right` stands for a body that returns the right gradient of relu. A submission that does harm beside and returns the
right numbers is right: only its numbers are judged.
"""

from __future__ import annotations

import textwrap

RIGHT = ("",)
RAISES, CRASHES, HANGS = ("raises",), ("crashes",), ("hangs",)
NOT_FOUND, UNEXPLAINED, NO_ARGUMENTS = ("not-found",), ("unexplained",), ("no-arguments",)


def _with_body(body: str, before: str = "") -> str:
    """A function that does something, and returns the right gradient."""
    text = "import os, signal, sys, threading, time\nimport numpy as np\n" + textwrap.dedent(before)
    return text + f"\n\ndef backward(dout, x):\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"


GOOD = "return dout * (x > 0)"

FORGED = """
def forged(tree, arrays=(), content=b""):
    line = json.dumps({"tree": tree, "arrays": list(arrays)}).encode() + b"\\n"
    for place in range(3, 40):
        try:
            if place in PIPES:
                os.write(place, line + content)
        except OSError:
            pass


def pipes():
    import stat
    return {p for p in range(3, 40) if is_pipe(p)}


def is_pipe(place):
    import stat
    try:
        return stat.S_ISFIFO(os.fstat(place).st_mode)
    except OSError:
        return False


import json
PIPES = pipes()
ANSWER = {"keys": [None], "changed": [], "printed": "", "warnings": []}
"""


def _forging(what: str, then: str = GOOD) -> str:
    return _with_body(f"{what}\n{then}", FORGED)


SUBMISSIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    # What is sent.
    "forges_an_answer": (_forging("forged(ANSWER, [['<f8', list(x.shape)]], bytes(8 * x.size))"), CRASHES),
    "forges_no_id": (_forging("forged({'error': {}}, [])", "time.sleep(9)"), CRASHES),
    "forges_a_huge_array": (_forging("forged(ANSWER, [['<f8', [2**40]]])", "time.sleep(9)"), CRASHES),
    "forges_a_huge_shape": (_forging("forged(ANSWER, [['<f8', [2**62, 2**62, 2**62]]])", "time.sleep(9)"), CRASHES),
    "forges_an_empty_huge_shape": (_forging("forged(ANSWER, [['<f8', [0, 10**30]]])", "time.sleep(9)"), CRASHES),
    "forges_a_negative_shape": (_forging("forged(ANSWER, [['<f8', [-1]]])", "time.sleep(9)"), CRASHES),
    "forges_many_axes": (_forging("forged(ANSWER, [['<f8', [1] * 500]])", "time.sleep(9)"), CRASHES),
    "forges_objects": (_forging("forged(ANSWER, [['|O', [1]]], bytes(8))", "time.sleep(9)"), CRASHES),
    "forges_a_record": (_forging("forged(ANSWER, [['f8,f8', [1]]], bytes(16))", "time.sleep(9)"), CRASHES),
    "forges_half_an_answer": (_forging("forged(ANSWER, [['<f8', [4]]], bytes(7))", "time.sleep(9)"), HANGS),
    "forges_half_and_ends": (_forging("forged(ANSWER, [['<f8', [4]]], bytes(7))", "os._exit(0)"), CRASHES),
    "forges_depth": (
        _with_body("[os.write(p, b'[' * 200_000 + b'\\n') for p in PIPES if p > 3]\ntime.sleep(9)", FORGED),
        CRASHES,
    ),
    "forges_a_long_line": (
        _with_body("while True:\n    [os.write(p, b'x' * 4096) for p in PIPES if p > 3]", FORGED),
        CRASHES,
    ),
    "forges_a_long_number": (
        _with_body(
            "[os.write(p, b'{\"tree\": ' + b'9' * 100_000 + b'}\\n') for p in PIPES if p > 3]\ntime.sleep(9)", FORGED
        ),
        CRASHES,
    ),
    "forges_many_answers": (_forging("for _ in range(500):\n    forged(ANSWER)"), CRASHES),
    "forges_at_import": (
        _with_body("return dout", FORGED + "\nforged({'arguments': [], 'torch': False, 'printed': ''})\n"),
        (*NOT_FOUND, "crashes"),
    ),
    "answers_ahead": (
        _forging(
            "forged({**ANSWER, 'id': '0' * 16}, [['<f8', list(x.shape)]], (dout * (x > 0)).tobytes())", "return dout"
        ),
        CRASHES,
    ),
    # What is returned.
    "half_precision": (_with_body("return (dout * 0).astype(np.float16)"), ("half-precision",)),
    "a_generator": (_with_body("yield dout"), RAISES),
    "objects": (_with_body("return np.array([object()] * x.size, object).reshape(x.shape)"), RAISES),
    "text": (_with_body("return 'x' * 10**6"), RAISES),
    "dates": (_with_body("return np.zeros(x.shape, 'M8[s]')"), RAISES),
    "a_record_array": (_with_body("return np.zeros(x.shape, 'f8,f8')"), RAISES),
    "a_million_arrays": (_with_body("return (dout,) * 10**6"), RAISES),
    "a_huge_array": (_with_body("return np.zeros((3000, 3000))"), RAISES),
    "lies_with_zero_strides": (_with_body("return np.broadcast_to(1.0, (10**6, 10**6))"), RAISES),
    "nested_deeply": (_with_body("r = [dout]\nfor _ in range(10**5):\n    r = (r,)\nreturn r"), RAISES),
    "contains_itself": (_with_body("r = [dout]\nr.append(r)\nreturn r"), RAISES),
    "nothing": (_with_body("pass"), ("wrong-count",)),
    "infinite": (_with_body("return np.full(x.shape, np.inf)"), ("not-a-number", "unexplained")),
    "extreme": (_with_body("return np.full(x.shape, 1.7e308)"), UNEXPLAINED),
    "smallest_integer": (_with_body("return np.full(x.shape, np.iinfo(np.int64).min)"), UNEXPLAINED),
    "no_axes_of_none": (_with_body("return np.zeros((0, 5, 0))"), ("wrong-shape", "wrong-count")),
    "a_lying_array": (
        _with_body(
            "return Liar(dout)",
            """
            class Liar:
                def __init__(self, a): self.a = a
                shape = property(lambda self: (10**9,))
                dtype = property(lambda self: np.dtype(object))
                size = property(lambda self: -1)
                def __array__(self, *a, **k): return np.zeros((4000, 4000))
            """,
        ),
        RAISES,
    ),
    "a_lying_subclass": (
        _with_body(
            "return np.zeros((2000, 2000)).view(Liar)",
            """
            class Liar(np.ndarray):
                shape = property(lambda self: (1,))
                size = property(lambda self: 1)
                dtype = property(lambda self: np.dtype('f8'))
            """,
        ),
        RAISES,
    ),
    "a_lying_tensor": (
        _with_body(
            "return Liar()",
            """
            class Liar:
                def __getattr__(self, name): return self
                def __call__(self, *a, **k): return self
            """,
        ),
        RAISES,
    ),
    "a_lying_mapping": (
        _with_body(
            "return Liar(x=1)",
            """
            class Key:
                def __str__(self): return '\\x1b[2J' * 10**6
            class Liar(dict):
                def items(self): return [(Key(), np.ones(3))] * 3
            """,
        ),
        (*UNEXPLAINED, "wrong-shape", "wrong-count"),
    ),
    "an_endless_mapping": (
        _with_body(
            "return Liar(x=1)",
            """
            class Liar(dict):
                def items(self):
                    while True:
                        yield 'a', None
            """,
        ),
        HANGS,
    ),
    # What is said.
    "half_a_character": (_with_body("raise ValueError('\\ud800 \\udfff')"), RAISES),
    "prints_half_a_character": (_with_body("print('\\ud800')\n" + GOOD), RIGHT),
    "terminal_escapes": (_with_body("raise ValueError('\\x1b]0;owned\\x07\\x1b[2J\\x9b1m\\u202e\\r\\nRIGHT')"), RAISES),
    "prints_escapes": (_with_body("print('\\x1b[2J\\x1b]52;c;aGk=\\x07')\n" + GOOD), RIGHT),
    "warns_escapes": (_with_body("import warnings\nwarnings.warn('\\x1b[2J\\ud800')\n" + GOOD), RIGHT),
    "a_long_error": (_with_body("raise ValueError('x' * 10**8)"), RAISES),
    "an_error_that_raises": (
        _with_body("raise Bad", "class Bad(Exception):\n    def __str__(self): raise SystemExit(0)\n"),
        RAISES,
    ),
    "an_error_with_a_long_name": (_with_body("raise type('E\\x1b' * 10**5, (Exception,), {})"), RAISES),
    "an_error_that_is_none": (_with_body("raise type('E', (BaseException,), {})"), RAISES),
    "a_syntax_error_made_up": (_with_body("raise SyntaxError(7, (8, 9, 10, 11))"), RAISES),
    "prints_much": (_with_body("for _ in range(200):\n    print('x' * 10**6)\n" + GOOD), RIGHT),
    "prints_without_end": (_with_body("while True:\n    print('x' * 10**6)"), HANGS),
    "a_huge_default": ("def backward(dout, x, big=10**6000):\n    return dout * (x > 0)\n", (*RIGHT, "not-found")),
    "many_arguments": (
        f"def backward({', '.join(f'a{n}' for n in range(500))}):\n    return a0\n",
        (*CRASHES, "not-found", "not-understood"),
    ),
    "a_lying_signature": (
        _with_body(GOOD, "") + "\nbackward.__signature__ = 7\n",
        (*NOT_FOUND, *NO_ARGUMENTS),
    ),
    "a_hostile_module": (
        _with_body(GOOD, "class Bad:\n    def __getattr__(self, name): raise MemoryError\nbad = Bad()\n"),
        NOT_FOUND,
    ),
    # What is done to its own process.
    "ends": (_with_body("os._exit(0)"), CRASHES),
    "kills_itself": (_with_body("os.kill(os.getpid(), signal.SIGKILL)"), CRASHES),
    "stops_itself": (_with_body("os.kill(os.getpid(), signal.SIGSTOP)"), HANGS),
    "stops_itself_at_import": (_with_body(GOOD, "os.kill(os.getpid(), signal.SIGSTOP)\n"), (*NOT_FOUND, "hangs")),
    "a_thread_stops_it": (
        _with_body(
            "threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGSTOP)).start()\ntime.sleep(0.2)\n" + GOOD,
        ),
        HANGS,
    ),
    "kills_its_parent": (_with_body("os.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(9)"), CRASHES),
    "stops_its_parent": (_with_body("os.kill(os.getppid(), signal.SIGSTOP)\n" + GOOD), RIGHT),
    "closes_descriptors": (_with_body("os.closerange(0, 100)\n" + GOOD), CRASHES),
    "exchanges_descriptors": (_with_body("for p in range(3, 9):\n    os.dup2(0, p)\n" + GOOD), CRASHES),
    "replaces_stdout": (_with_body("sys.stdout = sys.stderr = None\n" + GOOD), RIGHT),
    "closes_stdout": (_with_body("sys.stdout.close()\n" + GOOD), RIGHT),
    "writes_bytes_to_stdout": (_with_body("sys.stdout.buffer.write(b'\\xff\\x1b')\n" + GOOD), RIGHT),
    "recurses": (_with_body("return backward(dout, x)"), RAISES),
    "recurses_without_limit": (
        _with_body("sys.setrecursionlimit(10**9)\nreturn backward(dout, x)"),
        (*CRASHES, *RAISES, *HANGS),
    ),
    "a_thread_goes_on": (
        _with_body(
            "threading.Thread(target=forever).start()\n" + GOOD,
            "def forever():\n    while True:\n        time.sleep(0.01)\n",
        ),
        RIGHT,
    ),
    "hangs_at_the_end": (
        _with_body("atexit.register(time.sleep, 1000)\n" + GOOD, "import atexit\n"),
        RIGHT,
    ),
    "waits_in_a_destructor": (
        _with_body("kept.append(Bad())\n" + GOOD, "kept = []\nclass Bad:\n    def __del__(self): time.sleep(1000)\n"),
        RIGHT,
    ),
    "ignores_signals": (
        _with_body(
            "time.sleep(1000)",
            "for s in range(1, 32):\n    try: signal.signal(s, signal.SIG_IGN)\n    except OSError: pass\n",
        ),
        HANGS,
    ),
    # What it starts.
    "leaves_a_child": (_with_body("if os.fork() == 0:\n    time.sleep(1000)\n" + GOOD), RIGHT),
    "leaves_a_session": (
        _with_body(
            "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(1000)\n    os._exit(0)\n"
            + GOOD
        ),
        RIGHT,
    ),
    "leaves_a_child_and_ends": (
        _with_body("if os.fork() == 0:\n    os.setsid()\n    time.sleep(1000)\nos._exit(1)"),
        CRASHES,
    ),
    "returns_twice": (_with_body("os.fork()\n" + GOOD), RIGHT),
    "starts_many": (
        _with_body("for _ in range(200):\n    if os.fork() == 0:\n        time.sleep(1000)\ntime.sleep(5)"),
        CRASHES,
    ),
    "starts_programs": (
        _with_body("import subprocess\nsubprocess.Popen(['sleep', '1000'], start_new_session=True)\n" + GOOD),
        RIGHT,
    ),
    # Memory and disk.
    "a_huge_allocation": (_with_body("return np.ones(2**36)"), RAISES),
    "fills_memory_shared": (
        _with_body("import mmap\nm = mmap.mmap(-1, 2**34)\nfor i in range(0, 2**34, 4096):\n    m[i] = 1"),
        (*CRASHES, *HANGS),
    ),
    "writes_a_huge_file": (
        _with_body("with open('big', 'wb') as f:\n    while True:\n        f.write(bytes(2**20))"),
        RAISES,
    ),
    "makes_deep_folders": (
        _with_body("for _ in range(300):\n    os.mkdir('d')\n    os.chdir('d')\n" + GOOD, "os.mkdir('closed', 0)\n"),
        RIGHT,
    ),
    "looks_around": (
        _with_body(
            "assert os.listdir('.') == ['looks_around.py'], os.listdir('.')\n"
            "assert sys.path[0] == os.getcwd(), sys.path\n"
            "assert 'CONVGRAD_TEST_SECRET' not in os.environ\n" + GOOD
        ),
        RIGHT,
    ),
}
