"""``kgzsl doctor`` knows every extra that there is, and what is there of it."""

from __future__ import annotations

import importlib.util
import json
import tomllib
from pathlib import Path

from kgzsl.cli.app import run

# Extras that are for working on kgzsl, or bundles of others.
NOT_FOR_USERS = {"bench", "dev", "docs", "formats"}


def test_every_extra_is_told_with_what_it_is_for(capsys) -> None:
    project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())["project"]
    assert run(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["extras"]
    assert set(found) == set(project["optional-dependencies"]) - NOT_FOR_USERS
    for name, module in (("table", "pyarrow"), ("wandb", "wandb"), ("search", "optuna")):
        assert found[name]["installed"] == (importlib.util.find_spec(module) is not None)
    assert run(["doctor"]) == 0
    assert "extra mlflow (--track mlflow)" in capsys.readouterr().out
