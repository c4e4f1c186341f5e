"""The one training loop: devices, precision, ranks, seeds, progress, checkpoints."""

from kgzsl.engine.captured import CapturedStep, CaptureWarning
from kgzsl.engine.checkpoint import load_tree, save_tree
from kgzsl.engine.engine import Engine
from kgzsl.engine.errors import TrainingError
from kgzsl.engine.history import History, Row, placed
from kgzsl.engine.loop import TrainingLoop
from kgzsl.engine.recording import Recording

__all__ = [
    "CaptureWarning",
    "CapturedStep",
    "Engine",
    "History",
    "Recording",
    "Row",
    "TrainingError",
    "TrainingLoop",
    "load_tree",
    "placed",
    "save_tree",
]
