"""The one training loop: devices, precision, ranks, seeds, progress, checkpoints."""

from kgzsl.engine.checkpoint import load_tree, save_tree
from kgzsl.engine.engine import Engine
from kgzsl.engine.errors import TrainingError
from kgzsl.engine.history import History, Row, placed
from kgzsl.engine.loop import TrainingLoop

__all__ = ["Engine", "History", "Row", "TrainingError", "TrainingLoop", "load_tree", "placed", "save_tree"]
