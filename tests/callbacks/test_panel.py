"""The comparison picture shows the right place, at the right enlargement."""

import numpy as np
import pytest
import torch

from sr_experiments.callbacks.panel import Shot, compare, most_different


def test_the_window_is_where_the_images_differ() -> None:
    a = torch.rand(3, 60, 80)
    b = a.clone()
    b[:, 33:41, 50:58] += 0.5
    top, left = most_different(a, b, side=8)
    assert (top, left) == (33, 50)


def test_a_window_larger_than_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match="a window of 9 pixels does not fit into an image of 8 x 20"):
        most_different(torch.rand(3, 8, 20), torch.rand(3, 8, 20), side=9)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_each_column_holds_its_cut_enlarged_without_smoothing(channels: int) -> None:
    torch.manual_seed(0)
    images = [torch.rand(channels, 40, 50) for _ in range(3)]
    shots = [Shot(image, f"title {i}", "detail") for i, image in enumerate(images)]
    picture = compare(Shot(images[2], "name", "x4"), shots, window=(5, 7), side=16, zoom=3)
    assert picture.dtype == np.uint8
    panel, gap = 48, 8
    right = picture.shape[1]
    for shot in reversed(shots):
        right -= gap + panel
        cut = picture[gap : gap + panel : 3, right : right + panel : 3]
        seen = shot.image[:, 5:21, 7:23]
        bands = seen if channels == 3 else seen[:3] if channels > 3 else seen[:1].expand(3, -1, -1)
        assert np.abs(cut - np.round(bands.permute(1, 2, 0).numpy() * 255)).max() <= 1
    caption = picture[gap + panel :]
    assert len(np.unique(caption)) > 10, "the titles are drawn"
