"""``kgzsl doctor``: what is installed, what works here, and what to do about the rest."""

from __future__ import annotations

import importlib.util
import os
import shutil
from typing import Any

import typer

from kgzsl.cli.console import Console
from kgzsl.cli.options import JsonOption, QuietOption

__all__ = ["add"]

# What an extra brings: a module that shows it is there, and what needs it.
_EXTRAS = {
    "mat73": ("h5py", "MATLAB 7.3 files"),
    "mlflow": ("mlflow", "--track mlflow"),
    "onnx": ("onnx", "export to ONNX"),
    "owl": ("pyhornedowl", "OWL functional syntax and OWL/XML"),
    "search": ("optuna", "protocol.trials: searches by Optuna"),
    "table": ("pyarrow", "Parquet tables"),
    "tensorboard": ("tensorboard", "--track tensorboard"),
    "text": ("sentence_transformers", "priors from texts"),
    "vision": ("timm", "published backbones for your own images"),
    "wandb": ("wandb", "--track wandb"),
}


def add(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("doctor", short_help="Versions, devices, data folder, extras.", epilog="Example: kgzsl doctor --json")(
        doctor
    )


def doctor(as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Show versions, devices, the data folder and which extras are there."""
    values = examine()
    lines = [f"kgzsl {values['kgzsl']} on Python {values['python']}, {values['platform']}"]
    lines += [f"  {name} {version}" for name, version in values["packages"].items()]
    lines += [f"devices: {', '.join(values['devices'])}; --device auto takes {values['device']}, {values['precision']}"]
    lines += [f"processor: {values['processor']}, {values['cores']} cores, {values['threads']} threads"]
    state = "there" if values["data_dir_exists"] else "not there yet"
    lines += [f"data folder: {values['data_dir']} ({state}; set KGZSL_DATA to move it)"]
    lines += [f"Java for HermiT: {values['java'] or 'not found (needed only for OWL DL reasoning)'}"]
    for name, extra in values["extras"].items():
        told = "there" if extra["installed"] else f'not installed: pip install "kgzsl[{name}]"'
        lines.append(f"extra {name} ({extra['for']}): {told}")
    Console(as_json=as_json, quiet=quiet).result(values, lines)


def examine() -> dict[str, Any]:
    """What ``doctor`` found, as JSON values."""
    import torch

    from kgzsl import datasets
    from kgzsl.engine.hardware import choose_device, choose_precision
    from kgzsl.report.environment import record_environment

    facts = record_environment(command=[])
    kind, _ = choose_device("auto")
    devices = ["cpu", *(f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        devices.append("mps")
    data = datasets.data_dir()
    names = ("kgzsl", "python", "platform", "packages", "processor", "cores", "threads", "commit")
    return {
        **{name: facts[name] for name in names},
        "devices": devices,
        "device": kind,
        "precision": choose_precision("auto", kind),
        "data_dir": str(data),
        "data_dir_exists": os.path.isdir(data),
        "java": shutil.which("java"),
        "extras": {
            name: {"installed": importlib.util.find_spec(module) is not None, "for": use}
            for name, (module, use) in _EXTRAS.items()
        },
    }
