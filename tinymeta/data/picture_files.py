"""Picture files as one array: read, brought to one size, and looked at: colour, range, paper.

PNG is read by png.py, what else there is by Pillow where it is installed (the extra `images`).
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..system.unzip import naming_the_file
from .png import SIGNATURE, read_png

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue: ITU-R BT.601
_NEAR_PAPER = 32  # of 255: a pixel that is no farther from the paper's grey is paper
_DARK = 64  # of 255: where no pixel of all is lighter, they were saved in another range


class Options(NamedTuple):
    """What the caller wants; None: as it is, or as it looks."""

    size: int | None = None
    channels: int | None = None
    invert: bool | None = None


class Looked(NamedTuple):
    """All pictures (N, H, W, C) uint8, what was seen and done, and whether it was inverted."""

    images: np.ndarray
    notes: tuple[str, ...]
    inverted: bool


def read_pictures(paths: Sequence[Path], options: Options) -> Looked:
    """Read and look at these files. Raises ValueError, naming the file, for a damaged one and for
    sizes that differ; ModuleNotFoundError for one that needs Pillow where it is not there."""
    pictures, cropped = [], 0
    for path in paths:
        picture = _read(path)
        if options.size:
            cropped += picture.shape[0] != picture.shape[1]
            picture = _resized(picture, options.size)
        pictures.append(picture)
    _check_one_size(paths, pictures)
    notes = []
    if cropped:
        notes.append(f"{cropped} pictures that were not square are cropped to their middle")
    images, colour = _one_kind(pictures, options.channels)
    notes.append(colour)
    lightest = int(images.max())
    if 0 < lightest < _DARK:
        stretched = images * np.float32(255 / lightest)
        images = np.rint(stretched).astype(np.uint8)
        notes.append(f"no pixel is lighter than {lightest} of 255: stretched to 0 .. 255")
    inverted, why = _polarity(images, options.invert)
    notes.append(why)
    return Looked(255 - images if inverted else images, tuple(notes), inverted)


def _read(path: Path) -> np.ndarray:
    """One picture, (H, W, C) uint8, C 1 if it has no colour in it, else 3."""
    data = path.read_bytes()
    image_module = None
    if not data.startswith(SIGNATURE):
        image_module = _pillow(path)
    with naming_the_file(path, "a sound picture", "remove it, or use a copy of the original"):
        picture = read_png(data) if image_module is None else _by_pillow(image_module, data)
    is_grey = (picture == picture[..., :1]).all()
    return picture[..., :1] if is_grey else picture


def _pillow(path: Path) -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise ModuleNotFoundError(
            f"{path} is no PNG, and Pillow, which reads the others, is not installed: "
            "pip install 'tinymeta[images]'"
        ) from None
    return Image


def _by_pillow(image_module: Any, data: bytes) -> np.ndarray:
    """(H, W, C) uint8 as `read_png`; turned as its EXIF says, as cameras expect of a viewer."""
    from PIL import ImageOps, UnidentifiedImageError

    try:
        opened = image_module.open(io.BytesIO(data))
    except UnidentifiedImageError:  # whose message is the address of our BytesIO
        raise ValueError("it begins as no format that Pillow knows") from None
    with opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode in ("1", "L"):
            return np.asarray(image.convert("L"))[..., None]
        with_opacity = image.convert("RGBA")
    white = image_module.new("RGBA", with_opacity.size, (255, 255, 255, 255))
    return np.asarray(image_module.alpha_composite(white, with_opacity).convert("RGB"))


def _resized(picture: np.ndarray, size: int) -> np.ndarray:
    """The middle square, as size x size: each new pixel is the mean of the area that it covers."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top = (height - side) // 2
    left = (width - side) // 2
    square = picture[top : top + side, left : left + side]
    if side == size:
        return square
    means = _area_means(side, size)
    by_rows = np.tensordot(means, square.astype(np.float32), 1)  # (size, side, C)
    by_both = np.einsum("js,isc->ijc", means, by_rows)
    return np.rint(by_both).clip(0, 255).astype(np.uint8)


def _area_means(n: int, m: int) -> np.ndarray:
    """(m, n) float32: row i has the share of each pixel in the stretch i n / m to (i + 1) n / m."""
    edges = np.arange(m + 1) * n / m
    pixels = np.arange(n)
    last = np.minimum(edges[1:, None], pixels + 1)
    first = np.maximum(edges[:-1, None], pixels)
    overlap = last - first
    return (overlap.clip(0) * m / n).astype(np.float32)


def _check_one_size(paths: Sequence[Path], pictures: list[np.ndarray]) -> None:
    """Raise ValueError where two pictures differ in height or width; it names the first of each."""
    first: dict[tuple[int, ...], Path] = {}
    for path, picture in zip(paths, pictures):
        first.setdefault(picture.shape[:2], path)
    if len(first) > 1:
        examples = [f"{path} {h}x{w}" for (h, w), path in list(first.items())[:2]]
        raise ValueError(
            f"the pictures have {len(first)} sizes, {' and '.join(examples)}: give size=28, say, "
            "to which all are brought"
        )


def _one_kind(pictures: list[np.ndarray], channels: int | None) -> tuple[np.ndarray, str]:
    """All of them (N, H, W, C), and a sentence on their colour."""
    coloured = sum(picture.shape[-1] == 3 for picture in pictures)
    of_all = f"{coloured} of {len(pictures)}"
    wanted = channels or (3 if coloured else 1)
    h, w = pictures[0].shape[:2]
    images = np.empty((len(pictures), h, w, wanted), np.uint8)
    for k, picture in enumerate(pictures):
        if picture.shape[-1] > wanted:
            grey = np.rint(picture.astype(np.float32) @ _LUMA)
            picture = grey[..., None].astype(np.uint8)
        images[k] = picture  # one channel becomes three equal ones
    if wanted == 1:
        return images, f"{of_all} in colour, made grey" if coloured else "all grey"
    return images, f"{of_all} in colour, and all have 3 channels"


def _polarity(images: np.ndarray, invert: bool | None) -> tuple[bool, str]:
    """Whether to exchange black and white, and a sentence on why.

    Networks pad with 0, and those of this library learn from ink that is 1. The paper of drawings
    is the grey of their borders, if most pixels have it; what has no paper is a photograph.
    """
    if invert is not None:
        return bool(invert), "inverted, as asked" if invert else "black is 0, as asked"
    if images.shape[-1] != 1:
        return False, "black is 0 and white is 1, as they are"
    rims = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
    ground = int(np.median(np.concatenate([rim.ravel() for rim in rims])))
    from_ground = np.abs(images.astype(np.int16) - ground)
    share = np.mean(from_ground <= _NEAR_PAPER)
    if share < 0.5:
        return False, "black is 0 and white is 1, as they are (no paper was found)"
    if ground > 127:
        return True, "dark on light paper: inverted, so that ink is 1 and paper 0"
    return False, "light on dark: ink is 1 and paper 0 already"
