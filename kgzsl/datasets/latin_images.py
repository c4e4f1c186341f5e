"""Pictures of letters, drawn from the DejaVu faces that matplotlib ships."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from kgzsl.errors import InputError

__all__ = ["FACES", "draw_letters", "drawable", "gradient_features"]

FACES = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSans-BoldOblique",
    "DejaVuSansMono",
    "DejaVuSansMono-Bold",
    "DejaVuSansMono-Oblique",
    "DejaVuSansMono-BoldOblique",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
    "DejaVuSerif-BoldItalic",
)
_CANVAS = 64
# Pixels per em and the line that letters stand on: the tallest (capital, two marks above) and the deepest letters fit.
_EM = 40
_BASELINE = 47


def drawable(characters: Sequence[str], faces: Sequence[str] = FACES) -> list[str]:
    """Those characters for which every face has a glyph."""
    from matplotlib.ft2font import FT2Font

    charmaps = [set(FT2Font(str(_face_file(face))).get_charmap()) for face in faces]
    return [character for character in characters if all(ord(character) in charmap for charmap in charmaps)]


def draw_letters(
    characters: Sequence[str],
    per_character: int,
    *,
    size: int = 32,
    seed: int = 0,
    faces: Sequence[str] = FACES,
    rotation: float = 5.0,
    scale: float = 0.06,
    shift: float = 0.03,
    noise: float = 0.1,
) -> Tensor:
    """Pictures of letters: dark is 0, ink is 1, one letter each, on a common baseline.

    Every picture takes the next face in a shuffled round, so that all faces occur equally often for a letter.

    Args:
        characters: L letters, one code point each.
        per_character: K pictures of each.
        size: Height and width in pixels: 64 divided by a whole number.
        seed: Of every random choice.
        faces: Names of font files in matplotlib's ``fonts/ttf``.
        rotation: Largest turn to either side, in degrees.
        scale: Largest relative change of size.
        shift: Largest move in either direction, as a share of the picture.
        noise: Standard deviation of Gaussian noise on each pixel; the result is cut to [0, 1].

    Returns:
        float32 [L * K, size, size]; the pictures of one letter follow each other.

    Raises:
        InputError: A size that does not divide 64.
    """
    if size < 1 or _CANVAS % size:
        raise InputError(f"the picture size {size} does not divide {_CANVAS}", remedy="use 16, 32 or 64")
    random = torch.Generator().manual_seed(seed)
    glyphs = _glyphs(characters, faces)
    count = len(characters) * per_character
    letter = torch.arange(len(characters)).repeat_interleave(per_character)
    rounds = -(-per_character // len(faces))
    order = torch.rand(len(characters), rounds, len(faces), generator=random).argsort(dim=2)
    face = order.reshape(len(characters), -1)[:, :per_character].reshape(-1)

    def between(limit: float) -> Tensor:
        return (torch.rand(count, generator=random) * 2 - 1) * limit

    angle, zoom = torch.deg2rad(between(rotation)), 1 + between(scale)
    # affine_grid maps output to input places in [-1, 1]: the inverse of how the letter moves.
    turn = torch.stack([angle.cos() / zoom, -angle.sin() / zoom, angle.sin() / zoom, angle.cos() / zoom], dim=1)
    move = torch.stack([between(2 * shift), between(2 * shift)], dim=1)
    theta = torch.cat([turn.reshape(-1, 2, 2), move.unsqueeze(2)], dim=2)
    pictures = torch.empty(count, size, size)
    for start in range(0, count, 2048):
        part = slice(start, start + 2048)
        source = glyphs[letter[part], face[part]].unsqueeze(1).to(torch.float32) / 255
        grid = torch.nn.functional.affine_grid(theta[part], list(source.shape), align_corners=False)
        warped = torch.nn.functional.grid_sample(source, grid, align_corners=False)
        pictures[part] = torch.nn.functional.avg_pool2d(warped, _CANVAS // size).squeeze(1)
    pictures += torch.randn(pictures.shape, generator=random) * noise
    return pictures.clamp_(0, 1)


def gradient_features(pictures: Tensor, *, cell: int = 4, directions: int = 8) -> Tensor:
    """Histograms of gradient directions in square cells (Dalal and Triggs, CVPR 2005), without block normalisation.

    Args:
        pictures: float32 [N, S, S].
        cell: Width of a cell in pixels; divides S.
        directions: Bins of the unsigned direction; a gradient is shared between the two nearest bins.

    Returns:
        float32 [N, directions * (S / cell)**2], not negative, each row of unit length.
    """
    # In parts: the histograms of all pictures at full size would take gigabytes.
    return torch.cat([_histograms(part, cell, directions) for part in torch.split(pictures, 1024)])


def _histograms(pictures: Tensor, cell: int, directions: int) -> Tensor:
    padded = torch.nn.functional.pad(pictures.unsqueeze(1), (1, 1, 1, 1), mode="replicate").squeeze(1)
    across = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    down = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    strength = torch.hypot(across, down)
    place = torch.remainder(torch.atan2(down, across), torch.pi) / torch.pi * directions
    low = place.floor()
    share = place - low
    bins = torch.zeros(len(pictures), directions, *pictures.shape[1:], dtype=pictures.dtype, device=pictures.device)
    bins.scatter_add_(1, (low.long() % directions).unsqueeze(1), (strength * (1 - share)).unsqueeze(1))
    bins.scatter_add_(1, ((low.long() + 1) % directions).unsqueeze(1), (strength * share).unsqueeze(1))
    pooled = torch.nn.functional.avg_pool2d(bins, cell).flatten(1)
    return torch.nn.functional.normalize(pooled, dim=1)


def _face_file(face: str) -> Path:
    import matplotlib

    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{face}.ttf"
    if not file.is_file():
        raise InputError("matplotlib's font is missing", file=file, remedy="reinstall matplotlib")
    return file


def _glyphs(characters: Sequence[str], faces: Sequence[str]) -> Tensor:
    """uint8 [L, F, 64, 64]: each letter in each face, centred on its advance width."""
    from PIL import Image, ImageDraw, ImageFont

    drawn = np.zeros((len(characters), len(faces), _CANVAS, _CANVAS), dtype=np.uint8)
    for number, face in enumerate(faces):
        font = ImageFont.truetype(str(_face_file(face)), _EM, layout_engine=ImageFont.Layout.BASIC)
        for row, character in enumerate(characters):
            canvas = Image.new("L", (_CANVAS, _CANVAS), 0)
            left = (_CANVAS - font.getlength(character)) / 2
            ImageDraw.Draw(canvas).text((left, _BASELINE), character, fill=255, font=font, anchor="ls")
            drawn[row, number] = np.asarray(canvas)
    return torch.from_numpy(drawn)
