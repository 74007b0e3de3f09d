"""How a generator learns from one round of latent inversion to the next."""

import keras
from keras import ops

from dfkd_keras.backend.state import Component, OptimizerState
from dfkd_keras.optimizers import check_resettable
from dfkd_keras.utils.errors import InvalidInputError

NORMAL, ZERO = {"kernel": 0.0, "gamma": 1.0}, ("bias", "beta")  # means, and names, of what FreshStart draws anew


class LearningOverRounds(Component):
    """What a round of latent inversion does to the generator.

    A subclass says what happens at a round's opening, at each update and at its closing; `variables` are always the
    generator's.
    """

    def __init__(self):
        super().__init__(name="learning")
        self.optimizer_state = OptimizerState()

    @property
    def optimizer(self) -> keras.optimizers.Optimizer:
        """The synthesizer's optimizer."""
        return self.optimizer_state.optimizer

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """All optimizers of the generator, the synthesizer's first."""
        return [self.optimizer]

    def prepare(self, variables: list[keras.Variable]) -> None:
        """Makes what is remembered of the generator."""

    def compile(self, optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]) -> None:
        """Sets the optimizer and what it updates."""
        self.optimizer_state.track(optimizer, variables)

    def begin_round(self, variables: list[keras.Variable]) -> None:
        """Begins a round."""
        raise NotImplementedError

    def update(self, gradients: list, variables: list[keras.Variable]) -> None:
        """Takes one step within the round."""
        raise NotImplementedError

    def end_round(self, variables: list[keras.Variable]) -> None:
        """Ends the round."""
        raise NotImplementedError


class ContinuedLearning(LearningOverRounds):
    """Plain Fast: the generator goes on from where the last round left it, with a fresh optimizer."""

    def compile(self, optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]) -> None:
        """Sets the optimizer and what it updates."""
        check_resettable(optimizer, "the synthesis optimizer under ContinuedLearning")
        super().compile(optimizer, variables)

    def begin_round(self, variables: list[keras.Variable]) -> None:
        """Forgets the optimizer's moments."""
        self.optimizer_state.reset()

    def update(self, gradients: list, variables: list[keras.Variable]) -> None:
        """Takes one step within the round."""
        self.optimizer.apply(gradients, variables)

    def end_round(self, variables: list[keras.Variable]) -> None:
        """There is nothing left to do."""


class FreshStart(ContinuedLearning):
    """CMI: the generator learns nothing from one round to the next, each starts from new weights.

    Kernels from N(0, 0.02), BatchNorm's scales from N(1, 0.02), all offsets 0 (Fang et al., IJCAI 2021; the authors'
    code).
    """

    def __init__(self):
        super().__init__()
        self.seeds = keras.random.SeedGenerator()

    def compile(self, optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]) -> None:
        """Sets the optimizer and what it updates."""
        if unknown := [variable.path for variable in variables if variable.name not in (*NORMAL, *ZERO)]:
            raise InvalidInputError(f"FreshStart knows no new weights for {', '.join(unknown)}: use ContinuedLearning.")
        super().compile(optimizer, variables)

    def begin_round(self, variables: list[keras.Variable]) -> None:
        """Draws new weights and forgets the optimizer's moments."""
        super().begin_round(variables)
        for variable in variables:
            shape, dtype = variable.shape, variable.dtype
            if variable.name in ZERO:
                variable.assign(ops.zeros(shape, dtype))
            else:
                variable.assign(keras.random.normal(shape, NORMAL[variable.name], 0.02, dtype, self.seeds))


class MetaLearning(LearningOverRounds):
    """Within a round the generator adapts; then it returns to where it started and takes one step of its own.

    Args:
        inner_optimizer: of the steps within a round, fresh in each; the step at the end is the synthesizer's own
            optimizer's, which is not.
    """

    def __init__(self, inner_optimizer: keras.optimizers.Optimizer):
        super().__init__()
        check_resettable(inner_optimizer, "the inner optimizer of meta-learning")
        self.inner_optimizer = inner_optimizer
        self.inner_state, self.start = OptimizerState(), []

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """All optimizers of the generator, the synthesizer's first."""
        return [self.optimizer, self.inner_optimizer]

    def prepare(self, variables: list[keras.Variable]) -> None:
        """Makes room for where a round starts, and the inner optimizer's state."""
        self.inner_state.track(self.inner_optimizer, variables)
        self.drop_variables()
        self.start = self._copies(variables, "start")

    def begin_round(self, variables: list[keras.Variable]) -> None:
        """Remembers where the round starts."""
        self.inner_state.reset()
        for start, variable in zip(self.start, variables, strict=True):
            start.assign(variable.value)

    def update(self, gradients: list, variables: list[keras.Variable]) -> None:
        """Takes one step within the round."""
        self.inner_optimizer.apply(gradients, variables)

    def end_round(self, variables: list[keras.Variable]) -> None:
        """Takes the step of the round as a whole."""
        gradients = self._meta_gradients(variables)
        for start, variable in zip(self.start, variables, strict=True):
            variable.assign(start.value)
        self.optimizer.apply(gradients, variables)

    def _meta_gradients(self, variables: list[keras.Variable]) -> list:
        raise NotImplementedError

    def _copies(self, variables: list[keras.Variable], name: str) -> list[keras.Variable]:
        return [
            self.state(f"{name}_{index}", variable.shape, variable.dtype) for index, variable in enumerate(variables)
        ]


class FirstOrderMAML(MetaLearning):
    """FOMAML (Finn et al., ICML 2017), Fast's default: the round's step follows the sum of all its gradients."""

    def prepare(self, variables: list[keras.Variable]) -> None:
        """Makes room for the sum of a round's gradients too."""
        super().prepare(variables)
        self.sums = self._copies(variables, "sum")

    def begin_round(self, variables: list[keras.Variable]) -> None:
        """Remembers where the round starts and clears the sum."""
        super().begin_round(variables)
        for total in self.sums:
            total.assign(ops.zeros(total.shape, total.dtype))

    def update(self, gradients: list, variables: list[keras.Variable]) -> None:
        """Takes one step within the round and adds its gradients to the sum."""
        for total, gradient in zip(self.sums, gradients, strict=True):
            total.assign(total.value + gradient)
        super().update(gradients, variables)

    def _meta_gradients(self, variables: list[keras.Variable]) -> list:
        return [total.value for total in self.sums]


class Reptile(MetaLearning):
    """Reptile (Nichol et al., 2018): the round's step goes to where the round ended.

    Args:
        inner_optimizer: as in `MetaLearning`.
        scale: factor on the difference, 67 in Fast's official code; without effect on the step of a plain Adam.
    """

    def __init__(self, inner_optimizer: keras.optimizers.Optimizer, scale: float = 67.0):
        super().__init__(inner_optimizer)
        self.scale = scale

    def _meta_gradients(self, variables: list[keras.Variable]) -> list:
        pairs = zip(self.start, variables, strict=True)
        return [self.scale * (start.value - variable.value) for start, variable in pairs]
