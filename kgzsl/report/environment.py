"""What a run ran on, recorded so that it can be repeated."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kgzsl

__all__ = ["PACKAGES", "record_environment", "versions"]

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "lightning-fabric",
    "torch-geometric",
    "pyoxigraph",
    "reasonable",
    "rdflib",
    "networkx",
    "owlready2",
    "pydantic",
    "safetensors",
    "matplotlib",
    "pyarrow",
    "h5py",
    "sentence-transformers",
)


def record_environment(
    *,
    command: Sequence[str] | None = None,
    seeds: Sequence[int] = (),
    device: str | None = None,
    precision: str | None = None,
) -> dict[str, Any]:
    """The facts that a second run needs: versions, processor, device, precision, threads, commit, command, seeds, date.

    Args:
        command: The command line; ``sys.argv`` when it is not given.
        seeds: The seeds that were run.
        device: The device that was asked for or chosen ("cpu", "cuda:0").
        precision: The precision that was asked for or chosen ("bf16-mixed").

    Returns:
        A dictionary of JSON values. Packages that are not installed are left out. No user or host name is recorded.
    """
    return {
        "kgzsl": kgzsl.__version__,
        "commit": _commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": _command(sys.argv if command is None else command),
        "seeds": list(seeds),
        "device": device,
        "precision": precision,
        "threads": _threads(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpu": _gpu(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "packages": versions(),
    }


def versions() -> dict[str, str]:
    """The installed version of each package in :data:`PACKAGES`."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _command(argv: Sequence[str]) -> str:
    import shlex

    return shlex.join([Path(argv[0]).name, *argv[1:]]) if argv else ""


def _commit() -> str | None:
    """The commit of the source tree that is running, with ``+`` when it has changes; none for an installed wheel."""
    root = Path(kgzsl.__file__).resolve().parent.parent
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    try:
        head = subprocess.run([git, "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10)
        dirty = subprocess.run(
            [git, "-C", root, "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    if head.returncode:
        return None
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")


def _threads() -> int | None:
    torch = sys.modules.get("torch")  # never imported for this alone
    return None if torch is None else int(torch.get_num_threads())


def _gpu() -> str | None:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return str(torch.cuda.get_device_name(0))


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
