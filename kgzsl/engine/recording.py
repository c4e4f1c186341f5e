"""What records a step of training once and repeats it: a CUDA graph, or on other devices the call itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import torch

__all__ = ["CUDAGraphRecording", "CalledAgain", "Recording"]

R = TypeVar("R")


class Recording(Protocol):
    """Records work without arguments that reads and writes memory which stays where it is."""

    def warm_up(self, work: Callable[[], R]) -> R:
        """Do the work, under the conditions it will be recorded in."""
        ...

    def record(self, work: Callable[[], object]) -> None:
        """Record the work; it may be done now or not, and counts as not done.

        Raises:
            RuntimeError: It cannot be recorded; all is then as it was before.
        """
        ...

    def replay(self) -> None:
        """Do once more what was recorded."""
        ...


class CalledAgain:
    """Keeps the function and calls it: what a CPU has in place of a CUDA graph."""

    def __init__(self) -> None:
        self._work: Callable[[], object] | None = None

    def warm_up(self, work: Callable[[], R]) -> R:
        """See :class:`Recording`."""
        return work()

    def record(self, work: Callable[[], object]) -> None:
        """See :class:`Recording`."""
        self._work = work

    def replay(self) -> None:
        """See :class:`Recording`."""
        assert self._work is not None
        self._work()


class CUDAGraphRecording:
    """A CUDA graph: one launch for all kernels of the work, at the addresses they had when it was recorded.

    The work may not wait for the device, nor choose shapes or branches by values on it; numbers of the host are frozen.

    Args:
        device: A CUDA device.
        generators: The random states that the work draws from, beside the device's own; each replay goes on in them.
    """

    def __init__(self, device: torch.device, generators: Sequence[torch.Generator]) -> None:
        self._device, self._generators = device, tuple(generators)
        # Warm-up and capture share a stream, so that what autograd remembers of its stream is right in both.
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._graph: torch.cuda.CUDAGraph | None = None

    def warm_up(self, work: Callable[[], R]) -> R:
        """Do the work on the stream of the capture; whatever follows on this stream waits for it."""
        here = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(here)
        with torch.cuda.stream(self._stream):
            found = work()
        here.wait_stream(self._stream)
        return found

    def record(self, work: Callable[[], object]) -> None:
        """See :class:`Recording`; nothing is computed before the first replay."""
        here = torch.cuda.current_stream(self._device)
        own = torch.cuda.default_generators[self._device.index or 0]
        kept = [(random, random.clone_state()) for random in (*self._generators, own)]
        graph = torch.cuda.CUDAGraph()
        try:
            for random in self._generators:
                graph.register_generator_state(random)
            with torch.cuda.graph(graph, stream=self._stream):
                work()
        except BaseException:
            # A capture that failed leaves its stream in force, and random states that wait for its end.
            torch.cuda.set_stream(here)
            for random, state in kept:
                random.graphsafe_set_state(state)
            raise
        self._graph = graph

    def replay(self) -> None:
        """See :class:`Recording`."""
        assert self._graph is not None
        self._graph.replay()
