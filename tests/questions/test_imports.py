"""What a browser does not have is not needed: each question is answered without it."""

from __future__ import annotations

import subprocess
import sys

ABSENT = ("PIL", "halide", "latex2mathml", "matplotlib", "pooch", "requests", "rich", "safetensors", "typer", "typst")
PROGRAM = f"""
import sys
for name in {ABSENT!r} + ("urllib3", "tomli" if sys.version_info >= (3, 11) else "urllib3"):
    sys.modules[name] = None

import json
from convgrad.check.submissions import in_place
from convgrad.questions.rights import Rights
from convgrad.questions.table import GET, POST, answer_to

in_place.HAS_PROCESSES = False
QUERIES = {{"/api/example": {{"name": "strided"}}}}
SHEET = '''
layer = [{{type = "Flatten"}}, {{type = "Dense", units = 1}}]
seed = 1
target = [1.0]
[model]
input_shape = [3, 3, 1]
loss = "half_squared_error"
[results]
"dense1.x" = [1.0]
'''
BODIES = {{
    "/api/model": {{"input_shape": [4, 4, 1], "layers": [{{"type": "Flatten"}}, {{"type": "Dense", "units": 2}}]}},
    "/api/check": {{"sheet": SHEET}},
    "/api/marks": {{"worksheet": {{"blanks": 2, "seed": 3}}, "answers": ["0.5", ""]}},
    "/api/program": {{"tool": "pytorch", "example": "classic"}},
    "/api/derivation": {{"text": "$x_i = 2 o_i$, so $do_i = 2 dx_i$.\\n```python\\nprint(1)\\n```"}},
    "/api/function": {{"text": "def relu_backward(dx, o):\\n    return dx * (o > 0)\\n"}},
}}
for path, answer in GET.items():
    assert answer(QUERIES.get(path, {{}})), path
for path in POST:
    found = answer_to(path, json.dumps(BODIES[path]).encode(), Rights(runs_programs=True))
    print(path, found.status, found.content[:200].decode())
"""


def test_each_question_is_answered_without_what_a_browser_lacks() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) >= 4
    refused = [line for line in lines if " 200 " not in line]
    assert refused == []
