"""Run by test_engine: trains on two CPU ranks (gloo), and writes what both ranks agree on."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

from kgzsl.engine import Engine


class Loop:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        with engine.seeded():
            self.net = engine.prepare(nn.Linear(3, 1))
        self.sgd = torch.optim.SGD(self.net.parameters(), lr=0.1)
        self.seen: list[torch.Tensor] = []

    def step(self, index: int) -> dict[str, torch.Tensor]:
        x = torch.randn(4, 3, generator=self.engine.generator())
        self.seen.append(x)
        loss = (self.net(x) - 1).square().mean()
        self.sgd.zero_grad()
        loss.backward()
        self.engine.average_gradients(self.net.parameters())
        self.sgd.step()
        return {"loss": loss.detach()}

    def state_dict(self) -> dict[str, object]:
        return {"net": self.net.state_dict()}

    def load_state_dict(self, state: dict[str, object], /) -> None:
        self.net.load_state_dict(state["net"])  # type: ignore[arg-type]


def train(folder: Path | None, steps: int, resume: bool = False) -> tuple[Loop, list[dict[str, object]]]:
    engine = Engine(device="cpu", precision="32-true", devices=2, progress=False, checkpoint=folder, resume=resume)
    loop = Loop(engine)
    rows = engine.run(loop, steps=steps, log_every=2).rows
    return loop, rows  # type: ignore[return-value]


def main(folder: Path) -> None:
    whole, rows = train(None, 6)
    engine = whole.engine
    weights = engine.gather(whole.net.weight.detach())
    batches = engine.gather(torch.stack(whole.seen))
    train(folder / "checkpoint", 4)
    resumed, resumed_rows = train(folder / "checkpoint", 6, resume=True)
    assert len(resumed.seen) == 2
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(batches[0], batches[1])
    assert torch.equal(resumed.net.weight, whole.net.weight)
    assert resumed_rows == rows
    if engine.rank == 0:
        (folder / "verdict").write_text("equal weights, different batches, equal after resume")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
