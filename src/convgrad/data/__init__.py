"""Datasets: IDX files, folders and archives of images, .npz, a bundled sample, known sets; splitting and batches.

Example:
    >>> from convgrad.data import Batches, load, stratified_split
    >>> digits = load("digits")
    >>> train, validation = stratified_split(digits.train_labels, 0.1, seed=0)
    >>> len(train), len(validation)
    (5400, 600)
    >>> batches = Batches(digits.train_images, digits.train_labels, batch_size=64, seed=0, rows=train)
    >>> len(batches), next(batches.epoch(0)).images.shape
    (85, (64, 28, 28, 1))
"""

from convgrad.data.albumentations import Albumentations
from convgrad.data.augment import Augment
from convgrad.data.batches import Batch, Batches
from convgrad.data.bundled import load_digits
from convgrad.data.changes import Changes, Colour, Crop, Cutout, Flip, SomeOf
from convgrad.data.cifar import load_cifar10
from convgrad.data.data import Data
from convgrad.data.dataset import Dataset
from convgrad.data.folders import Progress, load_images
from convgrad.data.idx import read_idx, write_idx
from convgrad.data.idx_folder import load_idx_folder
from convgrad.data.load import load
from convgrad.data.mixup import MixUp
from convgrad.data.named import NAMES, load_named
from convgrad.data.npz import load_npz
from convgrad.data.randaugment import RandAugment
from convgrad.data.split import stratified_split

__all__ = [
    "NAMES",
    "Albumentations",
    "Augment",
    "Batch",
    "Batches",
    "Changes",
    "Colour",
    "Crop",
    "Cutout",
    "Data",
    "Dataset",
    "Flip",
    "MixUp",
    "Progress",
    "RandAugment",
    "SomeOf",
    "load",
    "load_cifar10",
    "load_digits",
    "load_idx_folder",
    "load_images",
    "load_named",
    "load_npz",
    "read_idx",
    "stratified_split",
    "write_idx",
]
