"""Meta-learning of a generator over the rounds of latent inversion."""

import keras
from keras import ops

from dfkd_keras.backend.state import OptimizerState
from dfkd_keras.optimizers.resetting import check_resettable
from dfkd_keras.synthesis.generator_learning import GeneratorLearning
from dfkd_keras.utils.checks import check_kinds, check_positive


class MetaLearning(GeneratorLearning):
    """Adapts the generator within a round, then returns to where the round began and takes one meta step from there.

    A subclass implements `meta_gradients`, along which the meta step goes. The meta step is the synthesizer's own
    optimizer's, which is never reset.

    Args:
        inner_optimizer: Keras optimizer of the steps within a round, reset in every round.

    Raises:
        InvalidInputError: If `inner_optimizer` is no Keras optimizer, or cannot be reset.
    """

    def __init__(self, inner_optimizer: keras.optimizers.Optimizer):
        super().__init__()
        check_kinds(type(self).__name__, keras.optimizers.Optimizer, inner_optimizer=inner_optimizer)
        check_resettable(inner_optimizer, "the inner optimizer of meta-learning")
        self.inner_optimizer = inner_optimizer
        self.inner_state, self.start = OptimizerState(), []

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """All optimizers of the generator, that of `compile` first."""
        return [self.optimizer, self.inner_optimizer]

    def prepare(self, variables: list[keras.Variable]) -> None:
        """Creates the copy of the weights with which a round begins, and the inner optimizer's state."""
        self.inner_state.track(self.inner_optimizer, variables)
        self.drop_variables()
        self.start = self._copies(variables, "start")

    def begin_round(self, variables: list[keras.Variable]) -> None:
        """Copies the weights and resets the inner optimizer."""
        self.inner_state.reset()
        for start, variable in zip(self.start, variables, strict=True):
            start.assign(variable.value)

    def update(self, gradients: list, variables: list[keras.Variable]) -> None:
        """Takes one step of the inner optimizer."""
        self.inner_optimizer.apply(gradients, variables)

    def end_round(self, variables: list[keras.Variable]) -> None:
        """Restores the weights with which the round began and takes the meta step."""
        gradients = self.meta_gradients(variables)
        for start, variable in zip(self.start, variables, strict=True):
            variable.assign(start.value)
        self.optimizer.apply(gradients, variables)

    def meta_gradients(self, variables: list[keras.Variable]) -> list:
        """Returns what the meta step follows in place of gradients, one tensor per variable, at the end of a round."""
        raise NotImplementedError

    def _copies(self, variables: list[keras.Variable], name: str) -> list[keras.Variable]:
        return [
            self.state(f"{name}_{index}", variable.shape, variable.dtype) for index, variable in enumerate(variables)
        ]


class FirstOrderMAML(MetaLearning):
    """First-order MAML (FOMAML), Fast's default: the meta step follows the sum of the gradients of the round.

    Args:
        inner_optimizer: Keras optimizer of the steps within a round, reset in every round.

    Reference:
        Finn et al., "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks", ICML 2017, as used by Fang et
        al., "Up to 100x Faster Data-free Knowledge Distillation" (Fast), AAAI 2022.
    """

    def prepare(self, variables: list[keras.Variable]) -> None:
        """Creates the sum of the gradients of a round too."""
        super().prepare(variables)
        self.sums = self._copies(variables, "sum")

    def begin_round(self, variables: list[keras.Variable]) -> None:
        """Copies the weights, resets the inner optimizer and clears the sum."""
        super().begin_round(variables)
        for total in self.sums:
            total.assign(ops.zeros(total.shape, total.dtype))

    def update(self, gradients: list, variables: list[keras.Variable]) -> None:
        """Takes one step of the inner optimizer and adds the gradients to the sum."""
        for total, gradient in zip(self.sums, gradients, strict=True):
            total.assign(total.value + gradient)
        super().update(gradients, variables)

    def meta_gradients(self, variables: list[keras.Variable]) -> list:
        """Returns the sums of the gradients."""
        return [total.value for total in self.sums]


class Reptile(MetaLearning):
    """Reptile: the meta step goes towards the weights at the end of the round.

    Args:
        inner_optimizer: Keras optimizer of the steps within a round, reset in every round.
        scale: Positive float. Factor on the difference of the weights. It has no effect on the step of a plain Adam.
            Defaults to 67.0, as in Fast's official code.

    Raises:
        InvalidInputError: If `scale` is not positive and finite.

    Reference:
        Nichol et al., "On First-Order Meta-Learning Algorithms", 2018, as used by Fang et al., "Up to 100x Faster
        Data-free Knowledge Distillation" (Fast), AAAI 2022.
    """

    def __init__(self, inner_optimizer: keras.optimizers.Optimizer, scale: float = 67.0):
        super().__init__(inner_optimizer)
        check_positive("Reptile", scale=scale)
        self.scale = scale

    def meta_gradients(self, variables: list[keras.Variable]) -> list:
        """Returns the scaled differences between the weights at the beginning and at the end of the round."""
        pairs = zip(self.start, variables, strict=True)
        return [self.scale * (start.value - variable.value) for start, variable in pairs]
