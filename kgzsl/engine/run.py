"""One run of a training loop: log points, callbacks, checkpoints, interruption."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kgzsl.engine.checkpoint import load_tree, save_tree
from kgzsl.engine.errors import TrainingError
from kgzsl.engine.history import History, Row
from kgzsl.engine.loop import TrainingLoop
from kgzsl.engine.progress import Progress, make_progress
from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.engine.engine import Engine

__all__ = ["Run", "RunOptions"]


@dataclass(frozen=True)
class RunOptions:
    """The figures of one run: see :meth:`Engine.run`."""

    name: str
    steps: int
    log_every: int
    callback_every: int


class _Signals:
    """Holds back the first Ctrl-C or SIGTERM until the step in hand is done; one that comes later acts at once."""

    # ``timeout`` and terminals signal a process and its group: the same stop arrives twice.
    _ECHO_S = 1.0

    def __init__(self) -> None:
        self.immediate = False
        self._first: float | None = None

    @property
    def caught(self) -> bool:
        """Whether a signal is waiting to be answered."""
        return self._first is not None

    def _handle(self, *_: object) -> None:
        now = time.monotonic()
        if self.immediate or (self._first is not None and now - self._first > self._ECHO_S):
            raise KeyboardInterrupt
        if self._first is None:
            self._first = now

    @contextmanager
    def held(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                # A handler that was not set from Python reads as None and cannot be set again.
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)


class Run:
    """See :meth:`Engine.run`, which builds one of these per call."""

    def __init__(
        self,
        engine: Engine,
        loop: TrainingLoop,
        options: RunOptions,
        callback: Callable[[int], Mapping[str, float] | None] | None,
    ) -> None:
        self._engine, self._loop, self._options, self._callback = engine, loop, options, callback
        self._history = History(name=options.name)
        self._window: dict[str, list[tuple[int, Tensor]]] = {}
        self._done = 0
        self._called = 0
        self._signals = _Signals()
        self._file: Path | None = None
        if engine.checkpoint is not None:
            self._file = engine.checkpoint / f"{options.name}.seed{engine.seed}.safetensors"
        self._save_every = engine.checkpoint_every or max(1, options.steps // 10)

    def go(self) -> History:
        """Train; see :meth:`Engine.run`."""
        began = time.perf_counter()
        if self._file is not None and self._engine.resume and self._file.exists():
            self._restore(load_tree(self._file))
        steps, name = self._options.steps, self._options.name
        progress = make_progress(self._engine.progress if self._engine.rank == 0 else False, name, steps, self._done)
        try:
            with self._signals.held():
                self._train(progress)
        finally:
            progress.close()
        self._history.seconds = time.perf_counter() - began
        self._history.steps = self._done
        return self._history

    def _train(self, progress: Progress) -> None:
        steps, log_every = self._options.steps, self._options.log_every
        finished = self._done == steps
        self._call()  # a run that was stopped inside its callback owes that call
        for index in range(self._done, steps):
            for name, value in self._loop.step(index).items():
                self._window.setdefault(name, []).append((index, value))
            self._done = index + 1
            if self._done % log_every == 0 or self._done == steps:
                progress.log(self._done, self._log())
            self._call()
            progress.advance(self._done)
            if self._stopped():
                self._save()
                raise self._interrupt()
            if self._done % self._save_every == 0 and self._done < steps:
                self._save()
        if not finished:
            self._save()

    def _stopped(self) -> bool:
        if self._engine.ranks == 1:
            return self._signals.caught
        # Ranks must stop at the same step; asking costs a message, so they ask at log points only.
        if self._done % self._options.log_every:
            return False
        caught = torch.tensor(float(self._signals.caught), device=self._engine.torch_device)
        return bool(self._engine.mean_over_ranks(caught).item() > 0)

    def _interrupt(self) -> KeyboardInterrupt:
        where = f" (saved in {self._file})" if self._file is not None else ""
        return KeyboardInterrupt(
            f"stopped {self._options.name} after step {self._done} of {self._options.steps}{where}"
        )

    def _log(self) -> dict[str, float]:
        means = self._means()
        self._window = {}
        if means:
            self._add_row(means)
            watch = getattr(self._loop, "watch", None)
            if watch is not None:
                watch(self._done, means)
        return means

    def _add_row(self, figures: Mapping[str, float]) -> None:
        row: Row = {"stage": self._options.name, "step": self._done, **{k: float(v) for k, v in figures.items()}}
        self._history.rows.append(row)
        if self._engine.on_log is not None and self._engine.rank == 0:
            self._engine.on_log(row)

    def _means(self) -> dict[str, float]:
        """The mean of each loss since the last log point; waits for the device."""
        means = {}
        for name, entries in self._window.items():
            values = torch.stack([value.detach() for _, value in entries]).to("cpu").double()
            mean = float(values.mean())
            if self._engine.ranks > 1:
                mean = float(self._engine.mean_over_ranks(torch.tensor(mean, device=self._engine.torch_device)))
            if not math.isfinite(mean):
                bad = next(
                    (i for (i, _), v in zip(entries, values.tolist(), strict=True) if not math.isfinite(v)), None
                )
                what = "NaN" if math.isnan(mean) else "infinite"
                hint = getattr(self._loop, "hint", None) or "lower the learning rate"
                step = (entries[-1][0] if bad is None else bad) + 1
                raise TrainingError(f"{name} loss became {what} at step {step} of {self._options.name}", remedy=hint)
            means[name] = mean
        return means

    def _call(self) -> None:
        done = self._done
        due = done > 0 and (done % self._options.callback_every == 0 or done == self._options.steps)
        if self._callback is None or not due or self._called >= done:
            return
        kept = self._random_state()
        self._signals.immediate = True  # a callback changes no training state: it may be stopped anywhere
        try:
            if self._signals.caught and self._engine.ranks == 1:
                raise KeyboardInterrupt
            figures = self._callback(done)
        except KeyboardInterrupt as error:
            self._signals.immediate = False
            self._set_random_state(kept)
            if self._engine.ranks == 1:
                self._save()
            raise self._interrupt() from error
        finally:
            self._signals.immediate = False
            self._set_random_state(kept)
        self._called = done
        if figures:
            self._add_row(figures)

    def _random_state(self) -> dict[str, Tensor]:
        device = self._engine.torch_device
        state = {"engine": self._engine.generator().get_state(), "cpu": torch.default_generator.get_state()}
        if device.type == "cuda":
            state["device"] = torch.cuda.get_rng_state(device)
        return state

    def _set_random_state(self, state: Mapping[str, Tensor]) -> None:
        self._engine.generator().set_state(state["engine"])
        torch.default_generator.set_state(state["cpu"])
        if "device" in state and self._engine.torch_device.type == "cuda":
            torch.cuda.set_rng_state(state["device"], self._engine.torch_device)

    def _save(self) -> None:
        if self._file is None:
            return
        self._means()  # raises if a loss is NaN: such a state is not worth resuming
        parts = {name: self._engine.gather(value) for name, value in self._random_state().items()}
        random = [{name: values[rank] for name, values in parts.items()} for rank in range(self._engine.ranks)]
        if self._engine.rank != 0:
            return
        window = {
            name: {"index": [i for i, _ in entries], "values": torch.stack([v.detach() for _, v in entries])}
            for name, entries in self._window.items()
        }
        save_tree(
            self._file,
            {
                "name": self._options.name,
                "seed": self._engine.seed,
                "done": self._done,
                "called": self._called,
                "rows": self._history.rows,
                "window": window,
                "config": getattr(self._loop, "config", None),
                "loop": self._loop.state_dict(),
                "random": random,
            },
        )

    def _restore(self, state: dict[str, Any]) -> None:
        mine, saved = getattr(self._loop, "config", None), state["config"]
        if mine is not None and saved is not None and mine != saved:
            different = sorted(k for k in {*mine, *saved} if mine.get(k) != saved.get(k))
            raise InputError(
                f"this checkpoint was made with another {', '.join(different)}",
                file=self._file,
                place=", ".join(f"{k}={saved.get(k)!r}, now {mine.get(k)!r}" for k in different),
                remedy="use the same options, or start again without resume",
            )
        if state["done"] > self._options.steps or len(state["random"]) != self._engine.ranks:
            raise InputError(
                f"this checkpoint is at step {state['done']} with {len(state['random'])} ranks; the run asks for "
                f"{self._options.steps} steps with {self._engine.ranks}",
                file=self._file,
                remedy="use the same options, or start again without resume",
            )
        try:
            self._loop.load_state_dict(state["loop"])
        except (RuntimeError, KeyError, ValueError) as error:
            raise InputError(
                f"this checkpoint does not fit ({error})", file=self._file, remedy="start again without resume"
            ) from error
        self._done, self._called = state["done"], state["called"]
        self._history.rows = state["rows"]
        device = self._engine.torch_device
        self._window = {
            name: list(zip(entry["index"], entry["values"].to(device).unbind(), strict=True))
            for name, entry in state["window"].items()
        }
        self._set_random_state(state["random"][self._engine.rank])
