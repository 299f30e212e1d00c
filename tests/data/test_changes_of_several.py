"""Changes of the images of networks of several inputs and outputs: who is changed, alike or not, and what moves."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from convgrad import DataError, Network
from convgrad.compute.several import Several
from convgrad.data import Augment, Changes, Colour, Crop, Data, Flip, MixUp
from convgrad.data.changes_of_several import ChangesOfSeveral, Target, changes_for
from convgrad.layers import Concatenate, Conv2D, Dense, Flatten, Input
from several_networks import both, examples

COUNT = 9
RNG = np.random.default_rng(4)
LEFT, RIGHT = (RNG.random((COUNT, 6, 5, channels)) for channels in (2, 3))
MASK = RNG.integers(1, 4, (COUNT, 6, 5)).astype(float)
LABELS = RNG.integers(0, 4, COUNT)
INPUTS = {"left": (6, 5, 2), "right": (6, 5, 3), "meta": (3,)}
IMAGE, CLASS, PRICE = Target((6, 5), False, False), Target((), True, False), Target((1,), False, False)


def changed(augment: Any, targets: dict[str, Target], answers: Any, **inputs: Any) -> tuple[dict[str, Any], Any]:
    """Inputs and targets of an epoch."""
    given = {"left": LEFT, "right": RIGHT, "meta": np.arange(3.0 * COUNT).reshape(COUNT, 3), **inputs}
    changes, move = changes_for(augment, INPUTS, targets)
    assert isinstance(changes, ChangesOfSeveral)
    several, found = changes.changed(Several(given), answers, changes.draws(COUNT, seed=2, epoch=1), move)
    assert (several.parts["meta"] == given["meta"]).all()
    return several.parts, found


def shifts(before: np.ndarray, after: np.ndarray) -> list[tuple[int, int]]:
    """How far each image was shifted, found by trying."""
    found = []
    for one, other in zip(before, after, strict=True):
        at = [(u, v) for u in (-1, 0, 1) for v in (-1, 0, 1) if (Crop(1).image(one, (u + 1, v + 1)) == other).all()]
        assert len(at) == 1
        found += at
    return found


def test_each_input_is_changed_by_draws_of_its_own_and_others_stay() -> None:
    parts, labels = changed({"left": Crop(1), "right": [Crop(1)]}, {"": CLASS}, LABELS)
    left, right = shifts(LEFT, parts["left"]), shifts(RIGHT, parts["right"])
    assert left != right
    assert len({*left}) > 3
    assert (labels == LABELS).all()
    parts, _ = changed({"right": Crop(1)}, {"": CLASS}, LABELS)
    assert (parts["left"] == LEFT).all()


def test_those_in_brackets_are_changed_alike_and_targets_move_with_them() -> None:
    answers = Several({"mask": MASK, "other": MASK + 1.5, "class": LABELS})
    targets = {"mask": IMAGE, "other": IMAGE, "class": CLASS}
    for pair in (Changes((Crop(1), Flip(), Colour())), Augment(shift=1)):
        augment = {("left", "right"): pair}
        parts, found = changed(augment, targets, answers, left=MASK[..., np.newaxis] / 2.0, right=MASK[..., None] / 2.0)
        if isinstance(pair, Augment):
            assert (2 * parts["left"][..., 0] == found.parts["mask"]).all()
        assert (parts["left"] == parts["right"]).all()
        assert (found.parts["class"] == LABELS).all()
        inside = found.parts["other"] != 0
        assert (found.parts["other"] == np.where(inside, found.parts["mask"] + 1.5, 0)).all()
        assert not inside.all()
        assert (found.parts["mask"] != MASK).any()


def test_the_first_group_has_the_draws_of_a_network_of_one_input() -> None:
    alone = Changes((Crop(1), Flip()))
    expected, masks = alone.changed(LEFT, MASK, alone.draws(COUNT, 2, 1), move=True)
    parts, found = changed({"left": [Crop(1), Flip()], "right": Colour()}, {"": IMAGE}, MASK)
    assert (parts["left"] == expected).all()
    assert (found == masks).all()


def test_one_input_of_several_outputs_is_changed_as_it_is_alone() -> None:
    changes, move = changes_for([Crop(1)], {"": (6, 5, 2)}, {"mask": IMAGE, "class": CLASS})
    assert isinstance(changes, ChangesOfSeveral)
    assert move
    images, found = changes.changed(
        LEFT, Several({"mask": MASK, "class": LABELS}), changes.draws(COUNT, seed=0, epoch=0), move
    )
    assert shifts(LEFT, images) == shifts(MASK, found.parts["mask"])
    assert changes.keeps_targets


def test_a_function_changes_an_input_and_the_only_target() -> None:
    def brighter(image: np.ndarray, target: Any, rng: np.random.Generator) -> tuple[np.ndarray, Any]:
        much = 1 + rng.random()
        return image * much, target * much

    parts, found = changed({"left": brighter}, {"": PRICE}, np.ones((COUNT, 1)))
    assert np.allclose(parts["left"], LEFT * found[:, :, None, None], rtol=1e-15)
    changes, _ = changes_for({"left": brighter}, INPUTS, {"": PRICE})
    assert changes is not None
    assert not changes.keeps_targets


def test_a_training_with_changes_has_the_same_bits_from_memory_and_from_items_and_others_than_without() -> None:
    x, y = examples(22)
    options: dict[str, Any] = {
        "epochs": 2,
        "batch_size": 8,
        "verbose": False,
        "loss": {"class": "softmax_cross_entropy", "box": "mse"},
        "augment": {"image": Changes((Flip(), Crop(2)), targets="keep")},
    }

    def trained(*data: Any, **changed: Any) -> dict[str, np.ndarray]:
        network = both()
        network.fit(*data, **{**options, **changed})
        return network.get_weights()

    class Read:
        def __len__(self) -> int:
            return 22

        def __getitem__(self, n: int) -> Any:
            return {name: part[n] for name, part in x.items()}, {name: part[n] for name, part in y.items()}

    whole, read, plain = trained(x, y), trained(Data.items(Read())), trained(x, y, augment=None)
    assert all((whole[name] == read[name]).all() for name in whole)
    assert any((whole[name] != plain[name]).any() for name in whole)


def test_a_mask_of_one_of_two_heads_moves_while_it_is_trained() -> None:
    image = Input((6, 5, 2))
    mask = Conv2D(1, 1, name="mask")(image)
    network = Network(inputs=image, outputs={"mask": mask, "class": Dense(4)(Flatten()(image))})
    network.fit(
        LEFT,
        {"mask": MASK[..., np.newaxis] * 1.0, "class": LABELS},
        loss={"mask": "mse", "class": "softmax_cross_entropy"},
        augment=Augment(shift=1),
        epochs=1,
        verbose=False,
    )
    assert network.past.updates


def pair() -> Network:
    left, right = Input((6, 5, 2)), Input((6, 5, 3))
    joined = Dense(1)(Concatenate()(Flatten()(left), Flatten()(right)))
    return Network(inputs={"left": left, "right": right}, outputs=joined)


def fitted(augment: Any) -> None:
    pair().fit({"left": LEFT, "right": RIGHT}, np.ones((COUNT, 1)), loss="mse", augment=augment, verbose=False)


def mine(image: Any, target: Any, rng: Any) -> Any:
    return image, target


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (
            lambda: fitted(Flip()),
            "augment must say which of the inputs `left` and `right` is changed, and how: "
            "augment={'left': ..., 'right': ...}, or those of them that are",
        ),
        (lambda: fitted({"lft": Flip()}), "augment has 'lft', but the network's inputs are `left` and `right`."),
        (lambda: fitted({(): Flip()}), "augment has (), but the network's inputs are"),
        (lambda: fitted({("left", "left"): Flip()}), "augment names the input `left` twice. Put all of its changes in"),
        (lambda: fitted({"left": Flip(), ("right", "left"): Crop(1)}), "augment names the input `left` twice."),
        (lambda: fitted({"left": MixUp()}), "augment: MixUp mixes whole examples, and is for networks of one input"),
        (lambda: fitted({"left": Flip()}), "targets='keep') for what must not"),
        (lambda: fitted({"left": Flip()}), "(At input `left`.)"),
        (lambda: fitted({"left": 5}), "augment: a change must be such as Flip() or a function"),
        (
            lambda: changes_for({("left", "meta"): Flip()}, INPUTS, {"": CLASS}),
            "augment: the inputs `left` and `meta` are to be changed alike, but have other rows and columns: "
            "(6, 5, 2), (3,).",
        ),
        (
            lambda: changes_for({"meta": Flip()}, INPUTS, {"": CLASS}),
            "augment changes images (rows, columns, channels), but examples have shape (3,). (At input `meta`.)",
        ),
        (
            lambda: changes_for({"left": Flip(), "right": Flip()}, INPUTS, {"mask": IMAGE}),
            "augment: targets of output `mask` would move with the inputs `left` and `right`, which are changed "
            "differently. Put inputs that are changed alike in brackets",
        ),
        (
            lambda: changes_for({"left": Flip(), "right": Flip()}, INPUTS, {"": IMAGE}),
            "augment: targets would move with the inputs `left` and `right`",
        ),
        (
            lambda: changes_for(mine, {"": (6, 5, 2)}, {"mask": IMAGE, "class": CLASS}),
            "augment: mine is a function of an image and its target, but there are several targets, `mask` and `class`",
        ),
        (
            lambda: changes_for({"image": Flip()}, {"": (6, 5, 2)}, {"": CLASS}),
            "augment is a table, ['image'], but the network has no names for its inputs: it has one only.",
        ),
    ],
)
def test_what_can_not_be(run: Callable[[], Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        run()


def test_nothing_to_change_is_no_change() -> None:
    assert changes_for(None, INPUTS, {"": CLASS}) == (None, False)
    assert changes_for({}, INPUTS, {"": CLASS}) == (None, False)
    assert changes_for({"left": None}, INPUTS, {"": CLASS}) == (None, False)  # type: ignore[dict-item]
