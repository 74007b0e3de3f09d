"""How a generator learns from one round of latent inversion to the next."""

from typing import Any

import keras
from keras import ops

from dfkd_keras.backend.distribution import of_first_replica
from dfkd_keras.backend.state import INTEGER, Component, OptimizerState
from dfkd_keras.optimizers.resetting import check_resettable
from dfkd_keras.utils.checks import check_counts
from dfkd_keras.utils.errors import InvalidInputError

NORMAL_MEANS = {"kernel": 0.0, "gamma": 1.0}  # of the variables that FreshStart draws from a normal distribution
ZEROS = ("bias", "beta")  # names of those that it sets to 0


class GeneratorLearning(Component):
    """What a round of `LatentInversion` does to the generator.

    A subclass implements `begin_round`, `update` and `end_round`. The argument `variables` is everywhere the list of
    the generator's trainable variables. Variables of its own are made with `state` in `prepare`.
    """

    def __init__(self):
        super().__init__(name="learning")
        self.optimizer_state = OptimizerState()

    @property
    def optimizer(self) -> keras.optimizers.Optimizer:
        """Optimizer that was given to `compile`."""
        return self.optimizer_state.optimizer

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """All optimizers of the generator, that of `compile` first."""
        return [self.optimizer]

    def prepare(self, variables: list[keras.Variable]) -> None:
        """Creates the variables that are needed beside the generator's. Called once before training."""

    def compile(self, optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]) -> None:
        """Sets the synthesizer's optimizer and the variables that it updates."""
        self.optimizer_state.track(optimizer, variables)

    def begin_round(self, variables: list[keras.Variable]) -> None:
        """Called at the beginning of a round."""
        raise NotImplementedError

    def update(self, gradients: list, variables: list[keras.Variable]) -> None:
        """Takes one step within a round.

        Args:
            gradients: List of tensors. Gradients of the loss, one per variable.
            variables: List of Keras variables. The generator's trainable variables.
        """
        raise NotImplementedError

    def end_round(self, variables: list[keras.Variable]) -> None:
        """Called at the end of a round."""
        raise NotImplementedError


class ContinuedLearning(GeneratorLearning):
    """Continues with the generator of the round before, and with a fresh optimizer: Fast without meta-learning.

    Reference:
        Fang et al., "Up to 100x Faster Data-free Knowledge Distillation" (Fast), AAAI 2022.
    """

    def compile(self, optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]) -> None:
        """Sets the optimizer and what it updates; raises `InvalidInputError` if it cannot be reset."""
        check_resettable(optimizer, "the synthesis optimizer under ContinuedLearning")
        super().compile(optimizer, variables)

    def begin_round(self, variables: list[keras.Variable]) -> None:
        """Resets the optimizer."""
        self.optimizer_state.reset()

    def update(self, gradients: list, variables: list[keras.Variable]) -> None:
        """Takes one step of the optimizer."""
        self.optimizer.apply(gradients, variables)

    def end_round(self, variables: list[keras.Variable]) -> None:
        """Leaves the generator as it is."""


class FreshStart(ContinuedLearning):
    """Initializes the generator anew in every round, so that nothing is learned from one to the next: CMI.

    Kernels are drawn from N(0, 0.02), the scales of BatchNorm from N(1, 0.02); all offsets are 0.

    Args:
        every_rounds: Integer. How many rounds a generator is used. Defaults to 1; NAYER uses one longer.

    Raises:
        InvalidInputError: If `every_rounds` is below 1.

    Reference:
        Fang et al., "Contrastive Model Inversion for Data-Free Knowledge Distillation" (CMI), IJCAI 2021; the
        initialization follows the authors' code.
    """

    def __init__(self, every_rounds: int = 1):
        super().__init__()
        check_counts("FreshStart", every_rounds=every_rounds)
        self.every_rounds = every_rounds
        self.seeds = keras.random.SeedGenerator()

    def prepare(self, variables: list[keras.Variable]) -> None:
        """Creates the counter of rounds."""
        self.drop_variables()
        self.rounds = self.state("rounds", (), INTEGER)

    def compile(self, optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]) -> None:
        """Sets the optimizer and what it updates; raises `InvalidInputError` for variables of an unknown kind."""
        if unknown := [variable.path for variable in variables if variable.name not in (*NORMAL_MEANS, *ZEROS)]:
            raise InvalidInputError(
                f"FreshStart cannot initialize {', '.join(unknown)}, only {', '.join((*NORMAL_MEANS, *ZEROS))}: use "
                "ContinuedLearning."
            )
        super().compile(optimizer, variables)

    def begin_round(self, variables: list[keras.Variable]) -> None:
        """Initializes the generator if it is time, and resets the optimizer."""
        super().begin_round(variables)
        is_due = ops.equal(self.rounds.value % self.every_rounds, 0)
        for variable in variables:
            variable.assign(ops.where(is_due, self._fresh(variable), variable.value))
        self.rounds.assign(self.rounds.value + 1)

    def _fresh(self, variable: keras.Variable) -> Any:
        shape, dtype = variable.shape, variable.dtype
        if variable.name in ZEROS:
            return ops.zeros(shape, dtype)
        return of_first_replica(keras.random.normal(shape, NORMAL_MEANS[variable.name], 0.02, dtype, self.seeds))
