import numpy as np

from dfkd_keras.noise import NoiseStream


def stream(**kwargs):
    return NoiseStream(**{"batch_size": 4, "draws": 2, "latent_dim": 3, "steps_per_epoch": 5, **kwargs})


def test_noise_is_a_function_of_seed_and_step():
    np.testing.assert_array_equal(stream()[7]["latents"], stream()[7]["latents"])
    np.testing.assert_array_equal(stream()[7]["latents"], stream(first_step=lambda: 5)[2]["latents"])
    assert not np.array_equal(stream()[7]["latents"], stream()[8]["latents"])
    assert not np.array_equal(stream()[7]["latents"], stream(seed=1)[7]["latents"])


def test_noise_is_standard_normal():
    latents = stream(batch_size=2000, latent_dim=50)[0]["latents"]
    assert latents.shape == (2000, 2, 50)
    assert latents.dtype == np.float32
    assert abs(latents.mean()) < 0.01
    assert abs(latents.std() - 1) < 0.01


def test_seed_and_step_do_not_mix():
    assert not np.array_equal(stream(seed=1)[2]["latents"], stream(seed=2)[1]["latents"])


def test_the_step_in_the_epoch_starts_again_every_epoch():
    assert [int(stream()[index]["step_in_epoch"][0]) for index in (0, 4, 5, 12)] == [0, 4, 0, 2]
