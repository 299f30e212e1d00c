"""The benchmark of the recipe for CIFAR-10, with a small batch; its steps are compared with PyTorch's in float64."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from measured import is_ratio
from optional import compiled


@compiled
def test_all_contenders_take_a_step(torch: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks import cifar94
    from benchmarks.machine import processor

    assert cifar94.main(["--batch", "32", "--rounds", "1"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()[2:]
    rows = {" ".join(line.split()[:-4]): line.split()[-4:] for line in lines}
    ours, theirs = (
        {name: float(row[0]) for name, row in rows.items() if name.startswith(side)} for side in ("convgrad", "PyTorch")
    )
    assert {*ours} <= {"convgrad float32", "convgrad mixed_bfloat16"}
    assert len(theirs) == (4 if "bfloat16" in processor() else 2)
    assert is_ratio(float(last.split()[3]), min(theirs.values()), min(ours.values()), places=1)


@compiled
def test_a_wrong_recipe_is_refused(torch: ModuleType) -> None:
    from benchmarks import cifar94
    from benchmarks.verify import WrongResult

    recipe = cifar94.example()
    recipe.GROUPS[0] = type(recipe.GROUPS[0])("*.beta", learning_rate=recipe.RATE, weight_decay=recipe.DECAY)
    x = np.random.default_rng(0).standard_normal((16, 32, 32, 3), np.float32)
    with pytest.raises(WrongResult, match=r"^loss 2: the distance"):
        cifar94.verify(recipe, lambda: recipe.built(x, (12, 20, 24)), x, np.arange(16) % 10)
