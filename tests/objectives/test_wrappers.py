"""Terms that wrap another one leave its state, its optimizer and its hooks at work."""

import keras
from keras import ops

import dfkd_keras as dk
from dfkd_keras.teacher.teacher import TeacherOutputs


class Doubled(dk.objectives.TermWrapper):
    """A user's own wrapper."""

    def __call__(self, batch):
        return 2.0 * self.term(batch)


def contrastive():
    return dk.objectives.ContrastiveDiversity(keras.optimizers.Adam(), bank_images=4, width=3)


def test_a_wrapped_term_is_prepared_and_trained_by_the_objective():
    term = contrastive()
    objective = dk.objectives.WeightedSum([dk.objectives.AfterRounds(Doubled(term), 2)])
    assert objective.optimizers == [term.optimizer]
    assert objective.learned_variables == []
    objective.prepare(TeacherOutputs(None, {}, [], ops.zeros((1, 5))), batch_size=2)
    assert objective.learned_variables == term.head.trainable_variables
    gradients = [ops.ones(variable.shape) for variable in objective.learned_variables]
    objective.learn(gradients)
    assert int(term.optimizer.iterations) == 1


def test_terms_that_learn_nothing_have_no_optimizer():
    objective = dk.objectives.WeightedSum([dk.objectives.ClassEntropy(), Doubled(dk.objectives.OneHotCrossEntropy())])
    assert objective.optimizers == []
    assert objective.names == ["class_entropy", "one_hot_cross_entropy"]


def test_wrappers_list_the_terms_inside_them():
    term = dk.objectives.ClassEntropy()
    wrapped = dk.objectives.AfterRounds(Doubled(term), 2)
    assert wrapped.nested_terms() == (wrapped, wrapped.term, term)
    assert wrapped.name == "class_entropy"


def test_a_scaled_term_has_the_factor_before_its_combination():
    class Constant(dk.objectives.Term):
        def __call__(self, batch):
            return ops.convert_to_tensor([1.0, 3.0])

    objective = dk.objectives.ExponentialPenalty([dk.objectives.Scaled(Constant(), 0.5)])
    loss, values = objective.evaluate(None)
    assert float(values["constant"]) == 1.0
    assert abs(float(loss) - 2.718282) < 1e-5
