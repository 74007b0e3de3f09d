"""Fresh samples: a preview is synthesized when it is asked for."""

from types import SimpleNamespace

import numpy as np

import dfkd_keras as dk


def test_large_images_are_made_few_at_a_time():
    made = []

    def synthesize(latents):
        made.append(len(latents))
        return np.zeros((len(latents), 2, 2, 3), np.float32)

    synthesizer = SimpleNamespace(latent_dim=4, image_shape=lambda teacher: (256, 512, 3))
    distiller = SimpleNamespace(synthesizer=synthesizer, teacher=None, synthesize=synthesize)
    assert dk.replay.FreshSamples().preview(5, distiller).shape == (5, 2, 2, 3)
    assert made == [2, 2, 1]
