"""Pictures of images: the worst mistakes, and the weights of each class."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.report.charts import GREY_SCALE, SIGN_SCALE, Chart
from search.report.final_model import FinalModel

_WIDTH = 96
_HEIGHTS = (24, 192)

# Pixels of a picture on a side at most: more would not be seen, and make the page large.
_SIDE = 64

# With so many channels, the first three are red, green and blue.
_COLOURED = (3, 4)


@dataclass(frozen=True)
class Picture:
    """A small chart with the lines of text below it."""

    chart: Chart
    lines: tuple[str, ...]


def weight_pictures(final: FinalModel) -> list[Picture]:
    """Return the weights of each class as an image, their mean over the colours where there are.

    Parameters
    ----------
    final : FinalModel
        Where it has many classes, those with the most test images are shown.
    """
    if not final.data.image_shape:
        return []
    shown = final.shown_classes
    images = [_as_grey(_image(final.data.picture(final.W[:, k]))) for k in shown]
    most = max(float(np.abs(image).max()) for image in images) or 1.0
    return [
        Picture(_heatmap(f"weights-{k}", image, SIGN_SCALE, (-most, most)), (final.names[k],))
        for k, image in zip(shown, images, strict=True)
    ]


def mistake_pictures(final: FinalModel) -> list[Picture]:
    """Return pictures of the worst mistakes; none where rows are not images."""
    if not final.data.image_shape:
        return []
    low, high = min(0.0, float(final.X.min())), float(final.X.max())
    ends, losses = (low, high if high > low else low + 1.0), final.losses
    return [
        Picture(
            _drawn(f"mistake-{i}", _image(final.data.picture(final.X[i])), ends),
            (
                final.names[final.y[i]],
                f"taken for {final.names[final.predicted[i]]}",
                f"loss {losses[i]:.2f}",
            ),
        )
        for i in final.worst().tolist()
    ]


def _image(picture: NDArray[Any]) -> NDArray[np.float64]:
    """Return (height, width, channels), no larger than it is worth; pixels are means of several."""
    height, width = picture.shape[:2]
    image = picture.reshape(height, width, -1).astype(np.float64)
    step = math.ceil(max(height, width) / _SIDE)
    for axis in (0, 1):
        length = image.shape[axis]
        starts = np.arange(0, length, step)
        widths = np.diff(starts, append=length)
        sums = np.add.reduceat(image, starts, axis=axis)
        image = sums / np.expand_dims(widths, tuple({0, 1, 2} - {axis}))
    return image


def _as_grey(image: NDArray[np.float64]) -> NDArray[np.float64]:
    grey: NDArray[np.float64] = image.mean(axis=2)
    return grey


def _drawn(name: str, image: NDArray[np.float64], ends: tuple[float, float]) -> Chart:
    if image.shape[2] not in _COLOURED:
        return _heatmap(name, _as_grey(image), GREY_SCALE, ends)
    low, high = ends
    colours = np.rint(255 * (image[:, :, :3] - low) / (high - low)).astype(int)
    return _chart(name, {"type": "image", "z": colours}, image.shape)


def _heatmap(name: str, image: NDArray[np.float64], scale: Any, ends: tuple[float, float]) -> Chart:
    cells = {
        "type": "heatmap", "z": image, "zmin": ends[0], "zmax": ends[1], "colorscale": scale,
        "showscale": False,
    }  # fmt: skip
    return _chart(name, cells, image.shape)


def _chart(name: str, trace: dict[str, Any], shape: tuple[int, ...]) -> Chart:
    height, width = shape[:2]
    hidden = {"visible": False, "fixedrange": True, "constrain": "domain"}
    layout = {
        "xaxis": hidden,
        # Pixels are square, also where the box is not as long as the image.
        "yaxis": {**hidden, "autorange": "reversed", "scaleanchor": "x"},
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
    }
    box = min(max(round(_WIDTH * height / width), _HEIGHTS[0]), _HEIGHTS[1])
    return Chart(name, "", [{**trace, "hoverinfo": "skip"}], layout, height=box)
