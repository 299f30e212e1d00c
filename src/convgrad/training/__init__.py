"""Training: the loop, its figures and events, schedules of the learning rate, and trained networks in folders."""

from convgrad.training.advice import TrainingWarning
from convgrad.training.averaging import EMA, SWA
from convgrad.training.checkpoint import save
from convgrad.training.events import Callback, CSVLogger, EarlyStopping, ReduceLROnPlateau, Training
from convgrad.training.history import History
from convgrad.training.metrics import Metric, confusion_matrix, top_k
from convgrad.training.progress import ProgressTable
from convgrad.training.reports.mlflow import MLflow
from convgrad.training.reports.tensorboard import TensorBoard
from convgrad.training.resuming import Checkpoint
from convgrad.training.safeguard import Diverged
from convgrad.training.schedules import constant, cosine, one_cycle, steps, warm_up
from convgrad.training.whole_metrics import MetricOf, WholeMetric

__all__ = [
    "EMA",
    "SWA",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "Diverged",
    "EarlyStopping",
    "History",
    "MLflow",
    "Metric",
    "MetricOf",
    "ProgressTable",
    "ReduceLROnPlateau",
    "TensorBoard",
    "Training",
    "TrainingWarning",
    "WholeMetric",
    "confusion_matrix",
    "constant",
    "cosine",
    "one_cycle",
    "save",
    "steps",
    "top_k",
    "warm_up",
]
