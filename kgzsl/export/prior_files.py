"""Class vectors in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kgzsl._files import atomic_file, atomic_text
from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassPriors

__all__ = ["write_priors"]


def write_priors(priors: ClassPriors, to: str, out: Path) -> None:
    """Write ``priors`` as ``"npz"``, ``"mat"`` or ``"word2vec"``.

    Raises:
        InputError: ``out`` cannot be written, or two names are the same in word2vec text.
    """
    if to == "word2vec":
        atomic_text(out, _word2vec(priors))
        return
    with atomic_file(out) as temporary:
        if to == "npz":
            columns = np.array(priors.columns or (), dtype=np.str_)
            names = np.array(priors.names, dtype=np.str_)
            with temporary.open("wb") as file:  # by its name numpy would add an ending
                np.savez_compressed(file, names=names, vectors=priors.matrix, columns=columns)
            return
        import scipy.io

        cells = np.empty((len(priors), 1), dtype=object)
        cells[:, 0] = priors.names
        tables = {"att": priors.matrix.T.astype(np.float64), "allclasses_names": cells}
        scipy.io.savemat(str(temporary), tables, appendmat=False)


def _word2vec(priors: ClassPriors) -> str:
    words = ["_".join(name.split()) for name in priors.names]
    twice = next((word for word in words if words.count(word) > 1), None) if len(set(words)) < len(words) else None
    if twice is not None:
        raise InputError(f"two classes are {twice!r} in word2vec text", remedy="export to npz, which keeps spaces")
    # repr of a float32 is the shortest text that reads back to the same number.
    rows = (" ".join([word, *map(str, row)]) for word, row in zip(words, priors.matrix, strict=True))
    return "\n".join([f"{len(words)} {priors.dim}", *rows, ""])
