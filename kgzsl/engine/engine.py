"""The one training loop, on Lightning Fabric: device, precision, ranks, seeds, progress, checkpoints."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, fields, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from kgzsl._options import check_choices, check_flags, check_kind, check_seed, check_whole
from kgzsl.engine.hardware import choose_device, choose_precision
from kgzsl.engine.history import History, Row
from kgzsl.engine.loop import TrainingLoop
from kgzsl.engine.recording import CalledAgain, CUDAGraphRecording, Recording
from kgzsl.engine.run import Run, RunOptions
from kgzsl.errors import InputError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Engine"]

M = TypeVar("M", bound=nn.Module)


@dataclass
class Engine:
    """Runs training loops, and knows where and how.

    Nothing here touches the global random state: weights and batches draw from :meth:`generator`; what cannot take a
    generator (dropout, a module's own initialisation) draws from a global state that is forked, seeded and put back.

    Args:
        device: ``"auto"`` (CUDA where there is one, else CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        precision: ``"auto"`` (bf16-mixed where the hardware multiplies bfloat16, else 32-true), ``"32-true"``,
            ``"bf16-mixed"``, ``"64-true"``.
        seed: Seed of everything that this engine runs.
        devices: How many devices (processes) train together; gradients are averaged over them.
        checkpoint: Folder for checkpoints, one file per run name and seed; None writes none.
        checkpoint_every: Steps between checkpoints; None is a tenth of each run. The end of a run is always saved.
        resume: Go on from the checkpoints that are there; runs that were finished are not repeated.
        progress: ``"auto"`` (a bar on a terminal, plain lines off one), True (bar), ``"lines"``, False (silence).
        on_log: Called with every row of the history as it is written (rank 0 only).
        capture: ``"auto"`` (on CUDA the steps of generators are recorded as a graph and replayed, where they can be),
            ``"off"``, ``"on"`` (the same path on any device; a CPU calls the step again, which is for tests).
        strategy: Fabric strategy when ``devices > 1``: ``"auto"`` is ``"ddp"`` (gloo on CPU, nccl on CUDA).

    Raises:
        InputError: A device or precision that is not here, a count below 1, or ``resume`` without ``checkpoint``.
    """

    device: str = "auto"
    precision: str = "auto"
    seed: int = 0
    devices: int = 1
    checkpoint: Path | None = None
    checkpoint_every: int | None = None
    resume: bool = False
    progress: bool | str = "auto"
    on_log: Callable[[Row], None] | None = None
    strategy: str = "auto"
    capture: str | bool = "off"
    _fabric: Fabric | None = field(default=None, repr=False, compare=False)
    _names: dict[str, int] = field(default_factory=dict, repr=False, compare=False)
    _generator: torch.Generator | None = field(default=None, init=False, repr=False, compare=False)
    _forks: int = field(default=0, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        kind, _ = choose_device(self.device)
        choose_precision(self.precision, kind)
        check_seed(self.seed)
        self.seed = int(self.seed)  # one of numpy is written in another way, and would be another seed
        check_whole(self, "devices")
        check_whole(self, "checkpoint_every", instead=(None,))
        check_kind(self.checkpoint, "checkpoint", (str, PathLike), "a folder")
        check_flags(self, "resume")
        if not isinstance(self.progress, bool | str) or self.progress not in (True, False, "auto", "lines"):
            raise InputError(f"progress is {self.progress!r}", remedy="choose auto, lines, True or False")
        if isinstance(self.capture, bool):  # what YAML makes of on and off
            self.capture = "on" if self.capture else "off"
        check_choices(self, capture=("auto", "on", "off"))
        if self.resume and self.checkpoint is None:
            raise InputError("resume was asked for, but no checkpoint folder was given", remedy="give checkpoint=")
        if self.checkpoint is not None:
            self.checkpoint = Path(self.checkpoint)

    @property
    def fabric(self) -> Fabric:
        """The Fabric object, launched on first use."""
        if self._fabric is None:
            from lightning_fabric import Fabric

            kind, where = choose_device(self.device)
            several = self.devices > 1
            if several and isinstance(where, list):
                raise InputError(f"device {self.device!r} is one device, but devices is {self.devices}")
            with _fabric_says_only_warnings():
                self._fabric = Fabric(
                    accelerator=kind,
                    devices=self.devices if several else where,
                    strategy=("ddp" if self.strategy == "auto" else self.strategy) if several else "auto",
                    precision=choose_precision(self.precision, kind),  # type: ignore[arg-type]
                )
            self._fabric.launch()
        return self._fabric

    @property
    def torch_device(self) -> torch.device:
        """The device that tensors of this engine live on."""
        return self.fabric.device

    @property
    def dtype(self) -> torch.dtype:
        """The type of parameters and features: float64 under ``"64-true"``, else float32."""
        return torch.float64 if self.chosen_precision == "64-true" else torch.float32

    @property
    def chosen_precision(self) -> str:
        """The precision in use: what ``"auto"`` came to."""
        return choose_precision(self.precision, choose_device(self.device)[0])

    @property
    def ranks(self) -> int:
        """How many processes train together."""
        return int(self.fabric.world_size)

    @property
    def rank(self) -> int:
        """Which of them this is; 0 writes files and progress."""
        return int(self.fabric.global_rank)

    @property
    def captures(self) -> bool:
        """Whether steps of training are to be recorded and replayed: on CUDA, or anywhere if asked for."""
        return self.capture == "on" or (self.capture == "auto" and self.torch_device.type == "cuda")

    def recording(self) -> Recording:
        """A new recording for this device, which knows this engine's random state."""
        device = self.torch_device
        return CUDAGraphRecording(device, [self.generator()]) if device.type == "cuda" else CalledAgain()

    def generator(self) -> torch.Generator:
        """The random state of this engine, on its device; the same object each time, part of every checkpoint.

        Each rank has its own, so that ranks draw different batches.
        """
        if self._generator is None:
            self._generator = torch.Generator(device=self.torch_device)
            self._generator.manual_seed(self._seed_for("rank", self.rank))
        return self._generator

    @contextmanager
    def seeded(self) -> Iterator[None]:
        """Fork the global random state and seed it from this engine; for modules that initialise themselves."""
        self._forks += 1
        with self._global_seed(self._seed_for("fork", self._forks)):
            yield

    @contextmanager
    def _global_seed(self, seed: int) -> Iterator[None]:
        device = self.torch_device
        cuda = [device.index or 0] if device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):
            torch.default_generator.manual_seed(seed)
            for index in cuda:
                torch.cuda.default_generators[index].manual_seed(seed)
            yield

    def _seed_for(self, *what: object) -> int:
        digest = hashlib.sha256(repr((self.seed, *what)).encode()).digest()
        return int.from_bytes(digest[:7], "little")

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision's autocast context; does nothing under 32-true and 64-true."""
        return self.fabric.autocast()

    def prepare(self, module: M) -> M:
        """Move ``module`` to the device and type, with rank 0's values on every rank; in place, and returned."""
        module.to(device=self.torch_device, dtype=self.dtype)
        if self.ranks > 1:
            for tensor in [*module.parameters(), *module.buffers()]:
                torch.distributed.broadcast(tensor.data, src=0)
        return module

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its mean over the ranks; does nothing on one rank."""
        if self.ranks == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        torch.distributed.all_reduce(flat)
        flat /= self.ranks
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()

    def gather(self, value: Tensor) -> list[Tensor]:
        """``value`` of every rank, in rank order; the same shape and type everywhere."""
        if self.ranks == 1:
            return [value]
        parts = [torch.empty_like(value, device=self.torch_device) for _ in range(self.ranks)]
        torch.distributed.all_gather(parts, value.to(self.torch_device))
        return [part.to(value.device) for part in parts]

    def mean_over_ranks(self, value: Tensor) -> Tensor:
        """The mean of ``value`` over the ranks."""
        if self.ranks > 1:
            value = value.clone()
            torch.distributed.all_reduce(value)
            value /= self.ranks
        return value

    def derive(self, **changes: Any) -> Engine:
        """A copy with some arguments changed (another seed, silence); shares the launched processes and the run names.

        Raises:
            InputError: ``device``, ``devices``, ``precision`` or ``strategy`` changed, or an unknown argument.
        """
        allowed = {f.name for f in fields(self) if f.init and not f.name.startswith("_")}
        fixed = {"device", "devices", "precision", "strategy"}
        for name in changes:
            if name not in allowed or name in fixed:
                raise InputError(f"{name!r} of an engine cannot be changed", remedy="make a new Engine")
        return replace(self, _fabric=self.fabric, _names=self._names, **changes)

    def apart(self, **changes: Any) -> Engine:
        """As :meth:`derive`, with the names of runs counted anew.

        For a stage that a resumed run may skip: those after it must find the same names.
        """
        made = self.derive(**changes)
        made._names = {}
        return made

    @torch.enable_grad()
    def run(
        self,
        loop: TrainingLoop,
        *,
        steps: int,
        name: str = "train",
        log_every: int = 50,
        callback: Callable[[int], Mapping[str, float] | None] | None = None,
        callback_every: int | None = None,
    ) -> History:
        """Train ``loop`` for ``steps`` steps.

        Interrupted (Ctrl-C, SIGTERM) it finishes the step, saves, and raises KeyboardInterrupt; a later run with
        ``resume=True`` gives bit-equal numbers on CPU to one that was not interrupted.

        Args:
            loop: What to train.
            steps: Steps in all.
            name: Names the run in the log, the progress and its checkpoint; the second run of a name is ``name-2``.
            log_every: Steps between rows of the history; the only points where the host waits for the device.
            callback: Called with the number of steps done; figures that it returns become a row of the history. It
                may draw random numbers and switch modules to eval: the random states are put back after it.
            callback_every: Steps between calls; None is only at the end.

        Returns:
            The history.

        Raises:
            TrainingError: A loss is NaN or infinite.
            InputError: A checkpoint that is damaged or of another configuration.
            KeyboardInterrupt: The run was interrupted; it is resumable if there is a checkpoint folder.
        """
        if steps < 0 or log_every < 1 or (callback_every is not None and callback_every < 1):
            raise InputError(f"steps={steps}, log_every={log_every}, callback_every={callback_every} must be positive")
        key = f"{name}.seed{self.seed}"
        self._names[key] = self._names.get(key, 0) + 1
        if self._names[key] > 1:
            name = f"{name}-{self._names[key]}"
        options = RunOptions(
            name=name, steps=steps, log_every=log_every, callback_every=callback_every or max(steps, 1)
        )
        try:
            with self._global_seed(self._seed_for("run", name, self.rank)):
                return Run(self, loop, options, callback).go()
        except BaseException:
            self._names[key] -= 1  # so that the same engine can be asked to resume
            raise


@contextmanager
def _fabric_says_only_warnings() -> Iterator[None]:
    """The precision is in ``environment.json``; a line of Fabric's own would reach ``--quiet`` runs as well."""
    log = logging.getLogger("lightning_fabric")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)
