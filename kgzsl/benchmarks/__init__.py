"""Speed beside plain implementations of the same thing, in the same process, equality checked."""

from kgzsl.benchmarks.registry import names, run

__all__ = ["names", "run"]
