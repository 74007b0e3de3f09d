"""Where the latents of a round come from: what latent inversion optimizes beside the generator."""

from typing import Any

import keras

from dfkd_keras.backend.state import Component
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.teacher.teacher import Teacher


class Latents(Component):
    """The latents of a round as a function of variables, which `LatentInversion` updates by gradients.

    A subclass implements `prepare`, `begin_round` and `of`.
    """

    def __init__(self):
        super().__init__(name="latents")

    @property
    def learned_variables(self) -> list[keras.Variable]:
        """List of Keras variables. What a round optimizes."""
        raise NotImplementedError

    def prepare(self, teacher: Teacher, batch_size: int, latent_dim: int) -> None:
        """Creates the variables. Called once before training.

        Args:
            teacher: `Teacher`. The frozen teacher.
            batch_size: Integer. Images per round, B.
            latent_dim: Integer. Length of a latent, Z.
        """
        raise NotImplementedError

    def begin_round(self, draws: Draws) -> None:
        """Sets the variables to what a round starts from.

        Args:
            draws: `Draws`. Random numbers of the round, for the whole batch.
        """
        raise NotImplementedError

    def of(self, labels: Any) -> Any:
        """Returns the latents `[B, Z]` of images that are made for the classes of labels `[B]`."""
        raise NotImplementedError


class FreeLatents(Latents):
    """The latents are variables themselves, drawn from a normal distribution: CMI, Fast and SSD-KD."""

    @property
    def learned_variables(self) -> list[keras.Variable]:
        """List of one Keras variable, the latents `[B, Z]`."""
        return [self.values]

    def prepare(self, teacher: Teacher, batch_size: int, latent_dim: int) -> None:
        """Creates the latents; see `Latents.prepare`."""
        self.drop_variables()
        self.values = self.state("values", (batch_size, latent_dim))

    def begin_round(self, draws: Draws) -> None:
        """Sets the latents to those of the draws; see `Latents.begin_round`."""
        self.values.assign(draws.latents)

    def of(self, labels: Any) -> Any:
        """Returns the latents `[B, Z]`, whatever the labels."""
        return self.values.value
