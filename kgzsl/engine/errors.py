"""Training that went wrong in a way a person can mend."""

from __future__ import annotations

from kgzsl.errors import InputError

__all__ = ["TrainingError"]


class TrainingError(InputError):
    """A loss became NaN or infinite: which one, at which step, and what usually helps."""
