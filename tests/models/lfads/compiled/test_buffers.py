"""Buffers kept between steps: handed out once, and dropped when sizes change."""

import torch

from calcium_latents.models.lfads.compiled.buffers import give_back, take


def test_a_buffer_is_kept_for_its_size_and_given_to_one_at_a_time():
    like = torch.zeros(1)
    one, two = take(like, 3, 5), take(like, 3, 5)
    assert one.shape == (3, 5) and one.data_ptr() != two.data_ptr()
    place = one.data_ptr()
    give_back(one)
    again = take(like, 3, 5)
    assert again.data_ptr() == place
    assert take(like, 3, 5).data_ptr() not in (place, two.data_ptr())
    assert take(like.double(), 3, 5).dtype == torch.float64


def test_what_is_kept_goes_when_sizes_change():
    like = torch.zeros(1)
    buffer = take(like, 7)
    give_back(buffer)
    take(like, 8)
    assert take(like, 7) is not buffer
