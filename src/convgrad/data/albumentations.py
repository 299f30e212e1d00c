"""Changes that the library Albumentations makes, seeded as all others are. Nothing of it is imported here."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from convgrad.arguments import shown
from convgrad.errors import DataError


class Albumentations:
    """A `Compose` of Albumentations as a change: `fit(augment=Albumentations(A.Compose([A.HorizontalFlip()])))`.

    It is given float32 images (H, W, C), and targets (H, W) or (H, W, C) as its `mask`; other targets stay as they are.
    What it draws depends on the seed, the epoch and the example, as with all changes. Examples are changed one at a
    time, since a `Compose` draws from a state of its own.

    Args:
        compose: called as compose(image=...) or compose(image=..., mask=...), with `set_random_seed(seed)`.

    Raises:
        DataError: it can't be called or seeded.
    """

    def __init__(self, compose: Any):
        if not callable(compose) or not hasattr(compose, "set_random_seed"):
            raise DataError(
                "Albumentations: compose must be an albumentations.Compose with set_random_seed, which newer versions "
                f"have, not {shown(compose)}."
            )
        self.compose = compose
        self._lock = threading.Lock()

    def __call__(self, image: Any, target: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        seed = int(rng.bit_generator.random_raw()) >> 32
        is_mask = isinstance(target, np.ndarray) and target.ndim >= 2 and target.shape[:2] == image.shape[:2]
        with self._lock:
            self.compose.set_random_seed(seed)
            found = self.compose(image=image, mask=target) if is_mask else self.compose(image=image)
        changed = (
            np.asarray(found["image"]).reshape(image.shape) if found["image"].size == image.size else found["image"]
        )
        return changed, np.asarray(found["mask"], target.dtype).reshape(target.shape) if is_mask else target
