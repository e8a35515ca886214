"""Small random affine maps of images: the distortions of Koch, Zemel & Salakhutdinov 2015.

    a point p of the new picture shows the point c + A (p - c) + shift of the old one

A turns, shears and scales about the centre c; each part is drawn with probability one half.
"""

import numpy as np

from ..core.checks import generator, instance, real, shown


def affine(
    images: np.ndarray,
    rng: np.random.Generator,
    *,
    angle: float = 10.0,
    shear: float = 0.3,
    scale: float = 0.2,
    shift: float = 2.0 / 105,
) -> np.ndarray:
    """Distort each of the images (.., H, W) by a map of its own -> float32, alike in shape.

    angle: at most so many degrees; shear, and scale about 1: at most so much along each axis;
    shift: at most such a share of the side. Beyond the border is paper, 0.
    """
    generator("affine", rng)
    real("affine", 0, angle=angle, shear=shear, scale=scale, shift=shift)
    instance("affine", np.ndarray, "of NumPy", images=images)
    if images.ndim < 2 or images.dtype.kind not in "biuf":
        raise ValueError(f"affine: images must be numbers (.., H, W), got {shown(images)}")
    images = images.astype(np.float32)
    h, w = images.shape[-2:]
    flat = images.reshape(-1, h, w)
    n = len(flat)

    def some(most, *shape):
        """U[-most, most], or 0 in half of the images."""
        drawn = rng.uniform(-most, most, (n, *shape))
        return drawn * (rng.random(n) < 0.5).reshape(n, *[1] * len(shape))

    turn, sheared, scaled = np.deg2rad(some(angle)), some(shear, 2), 1 + some(scale, 2)
    moved = some(shift, 2) * (h, w)  # (n, 2) pixels
    cos, sin = np.cos(turn), np.sin(turn)
    rotation = np.stack([cos, -sin, sin, cos], -1).reshape(n, 2, 2)
    skew = np.stack([np.ones(n), sheared[:, 0], sheared[:, 1], np.ones(n)], -1).reshape(n, 2, 2)
    matrix = (rotation @ skew / scaled[:, None, :]).astype(np.float32)  # (n, 2, 2)
    return warp(flat, matrix, moved).reshape(images.shape)


def warp(images: np.ndarray, matrix: np.ndarray, shift=0.0) -> np.ndarray:
    """Images (n, H, W) float32 under maps of their own: matrix (n, 2, 2), shift (n, 2) in pixels.

    Both, as in the equation above, are of (row, column).
    """
    h, w = images.shape[-2:]
    centre = (np.array([h, w]) - 1) / 2
    grid = np.stack(np.mgrid[:h, :w], -1).reshape(-1, 2) - centre  # (H W, 2)
    shift = np.broadcast_to(shift, (len(images), 2))
    at = grid.astype(np.float32) @ matrix.swapaxes(1, 2) + (centre + shift)[:, None]
    return bilinear(images, at.astype(np.float32)).reshape(images.shape)


def bilinear(images: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The values of images (n, H, W) at points (n, P, 2), row and column, between pixels: (n, P)."""
    n, h, w = images.shape
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    at = np.clip(at + 1, 0, np.array([h, w], np.float32) + np.float32(0.999))
    corner = at.astype(np.int32)  # (n, P, 2)
    down, right = np.moveaxis(at - corner.astype(np.float32), -1, 0)
    place = (np.arange(n, dtype=np.int32)[:, None] * (h + 2) + corner[..., 0]) * (w + 2)
    place += corner[..., 1]
    pixel = padded.ravel()
    above = pixel[place] * (1 - right) + pixel[place + 1] * right
    below = pixel[place + w + 2] * (1 - right) + pixel[place + w + 3] * right
    return above * (1 - down) + below * down
