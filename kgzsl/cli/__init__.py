"""The command line."""

from kgzsl.cli.app import main

__all__ = ["main"]
