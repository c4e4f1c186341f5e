"""The best state that a validation has seen during a training, which an interruption does not lose."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from kgzsl.engine import Engine, load_tree, save_tree
from kgzsl.tasks.kg_completion.evaluation import Scorer

__all__ = ["BestState"]


class BestState:
    """Keeps the best state that a validation has seen, beside the engine's checkpoints where there are some.

    A resumed run does not look again at what it has looked at before, so it has to find the best state of then.

    Args:
        validate: Told a scorer, says how good it is; None looks at nothing.
        engine: Says where checkpoints are, and whether to go on with them.
        name: Of the training, unique in the engine's folder.

    Attributes:
        value: Of the best look; minus infinity before the first.
        at: When that was.
        state: What was kept then, or None.
        looks: The value of every look, by when it was.
    """

    def __init__(self, validate: Callable[[Scorer], float] | None, engine: Engine, name: str) -> None:
        self.validate = validate
        self.value, self.at = float("-inf"), 0
        self.state: Any = None
        self.looks: dict[int, float] = {}
        self.file = None if engine.checkpoint is None else engine.checkpoint / f"best-{name}.safetensors"
        if validate is not None and engine.resume and self.file is not None and self.file.exists():
            kept = load_tree(self.file)
            self.value, self.at, self.state = float(kept["value"]), int(kept["at"]), kept["state"]
            self.looks = dict(kept.get("looks", []))

    def look(self, done: int, scorer: Scorer, state: Callable[[], Any]) -> dict[str, float] | None:
        """Validate; keep ``state()`` if it is the best so far.

        Args:
            done: Steps or epochs.
            scorer: Of the model as it is.
            state: Gives what is kept; it is copied.
        """
        if self.validate is None:
            return None
        value = self.looks[done] = self.validate(scorer)
        if value > self.value:
            self.value, self.at, self.state = value, done, copy.deepcopy(state())
        if self.file is not None:
            looks = [list(look) for look in self.looks.items()]
            save_tree(self.file, {"value": self.value, "at": self.at, "state": self.state, "looks": looks})
        return {"validation.mrr": value}
