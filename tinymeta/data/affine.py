"""Small random affine maps of images: the distortions of Koch, Zemel and Salakhutdinov 2015.

    a point p of the new picture shows the point c + A (p - c) + shift of the old one

A rotates, shears and scales about the picture's centre c. Each of the four parts, the shift too, is
drawn with probability one half and left out otherwise. Points are (row, column), in pixels.
"""

import numpy as np

from ..core.checks import check_flag, check_generator, check_instance, check_real, shown


def affine(
    images: np.ndarray,
    rng: np.random.Generator,
    *,
    angle: float = 10.0,
    shear: float = 0.3,
    scale: float = 0.2,
    shift: float = 2.0 / 105,
    channels: bool = False,
) -> np.ndarray:
    """Distort each of the images (.., H, W) by a random map of its own -> float32, the same shape.

    channels: they are (.., H, W, C), and the channels of an image share its map.

    angle: the largest rotation, in degrees. shear, scale: the largest shear, and the largest
    difference of the scale from 1, along each axis. shift: the largest shift, as a share of the
    picture's side. All are drawn uniformly. Pixels from beyond the border are 0, paper.

    Raises TypeError where images is no NumPy array or rng no Generator, ValueError for images that
    are not numbers of two dimensions or more, and for a negative bound.
    """
    check_generator("affine", rng)
    check_real("affine", 0, angle=angle, shear=shear, scale=scale, shift=shift)
    check_instance("affine", np.ndarray, "of NumPy", images=images)
    check_flag("affine", channels=channels)
    are_numbers = images.dtype.kind in "biuf"
    if not are_numbers or images.ndim < 2 + channels:
        shape = "(.., H, W, C)" if channels else "(.., H, W)"
        raise ValueError(f"affine: images must be numbers {shape}, got {shown(images)}")
    images = images.astype(np.float32)
    if channels:
        planes = np.moveaxis(images, -1, -3)
    else:
        planes = images[..., None, :, :]
    c, h, w = planes.shape[-3:]
    flat = planes.reshape(-1, h, w)
    n = len(flat) // c if c else 0

    # The order of these four draws is part of what a seed means.
    angles = np.deg2rad(_draw_or_zero(rng, angle, (n,)))  # (n,) radians
    shears = _draw_or_zero(rng, shear, (n, 2))
    scales = 1 + _draw_or_zero(rng, scale, (n, 2))
    shifts = _draw_or_zero(rng, shift, (n, 2)) * (h, w)  # (n, 2) pixels

    cos = np.cos(angles)
    sin = np.sin(angles)
    rotation = _matrices(cos, -sin, sin, cos)  # (n, 2, 2)
    one = np.ones(n)
    by_rows, by_columns = shears.T
    skew = _matrices(one, by_rows, by_columns, one)
    matrix = rotation @ skew
    matrix = matrix / scales[:, None, :]
    matrix = matrix.astype(np.float32)
    warped = warp(flat, matrix.repeat(c, 0), shifts.repeat(c, 0))
    warped = warped.reshape(planes.shape)
    if channels:
        return np.moveaxis(warped, -3, -1)
    return warped[..., 0, :, :]


def _draw_or_zero(rng: np.random.Generator, most: float, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform numbers in [-most, most]; all 0 for about half of the first axis."""
    count, *others = shape
    drawn = rng.uniform(-most, most, shape)
    kept = rng.random(count) < 0.5
    ones = [1 for _ in others]
    return drawn * kept.reshape(-1, *ones)


def _matrices(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """The matrices (n, 2, 2) with rows (a, b) and (c, d), where each is (n,)."""
    numbers = np.stack([a, b, c, d], -1)
    return numbers.reshape(-1, 2, 2)


def warp(images: np.ndarray, matrix: np.ndarray, shift: np.ndarray | float = 0.0) -> np.ndarray:
    """Map each of the images (n, H, W) float32 by the equation above -> (n, H, W).

    matrix is A, (n, 2, 2); shift is (n, 2), or one number for all, in pixels.
    """
    n, h, w = images.shape
    centre = (np.array([h, w]) - 1) / 2
    rows, columns = np.mgrid[:h, :w]
    pixels = np.stack([rows.ravel(), columns.ravel()], -1)  # (H W, 2)
    from_centre = (pixels - centre).astype(np.float32)  # p - c
    mapped = from_centre @ matrix.swapaxes(1, 2)  # (n, H W, 2), A (p - c)
    origins = centre + np.broadcast_to(shift, (n, 2))  # (n, 2), c + shift
    points = mapped + origins[:, None]
    pictures = bilinear(images, points.astype(np.float32))  # (n, H W)
    return pictures.reshape(n, h, w)


def bilinear(images: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Interpolate images (n, H, W) linearly at points (n, P, 2), given as (row, column) -> (n, P).

    A border of one pixel of 0 is added, and points farther out are moved onto it, so that no
    neighbour is ever outside, and none has to be tested for it.
    """
    n, h, w = images.shape
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    row_stride = w + 2
    image_stride = (h + 2) * row_stride
    last = np.array([h, w], np.float32) + np.float32(0.999)
    points = np.clip(points + 1, 0, last)  # + 1 for the border
    corner = points.astype(np.int32)  # (n, P, 2), the neighbour above and to the left
    beyond = points - corner.astype(np.float32)
    down, right = np.moveaxis(beyond, -1, 0)  # (n, P), in [0, 1)
    row, column = np.moveaxis(corner, -1, 0)  # (n, P)

    numbers = np.arange(n, dtype=np.int32)[:, None]
    first = numbers * image_stride  # (n, 1), of each image
    upper = first + row * row_stride + column  # (n, P), into the flat images
    lower = upper + row_stride
    pixel = padded.ravel()
    left = 1 - right
    above = pixel[upper] * left
    above += pixel[upper + 1] * right
    below = pixel[lower] * left
    below += pixel[lower + 1] * right
    return above * (1 - down) + below * down
