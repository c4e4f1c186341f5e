"""A cell that sleeps, dies or refuses, as it is told."""

from __future__ import annotations

import os
import time

from kgzsl.errors import InputError


def measure(cell):
    if "die" in cell:
        os._exit(cell["die"])
    if "refuse" in cell:
        raise InputError(cell["refuse"])
    time.sleep(cell["sleep"])
    return {"process": os.getpid()}
