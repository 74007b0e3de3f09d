import keras
import numpy as np
import pytest
from keras import layers, ops

import dfkd_keras as dk
from dfkd_keras import models
from dfkd_keras.schedules.schedule import SKIPPED, Position, StepKind
from tests.conftest import SHAPE, equal, small_distiller, values

IMAGES, LABELS = np.random.default_rng(1).uniform(size=(12, *SHAPE)).astype("float32"), np.arange(12) % 10


class Disagreement(dk.objectives.Term):
    """A term that needs the student: the negative divergence from the teacher."""

    needs = frozenset({"student"})

    def __call__(self, batch):
        return -dk.losses.SoftTargets()(batch.teacher_logits, batch.student_logits)


def norm_student():
    return keras.Sequential(
        [layers.Input(SHAPE), layers.Conv2D(3, 5, 4), layers.BatchNormalization(), layers.Flatten(), layers.Dense(10)],
        name="norm_student",
    )


def test_fit_needs_no_data_and_logs_every_loss(make_distiller):
    history = (
        make_distiller(dk.schedules.Alternating(2))
        .fit(steps_per_epoch=2, validation_data=(IMAGES, LABELS), verbose=0)
        .history
    )
    assert set(history) == {
        "synthesis_loss", "one_hot_cross_entropy", "class_entropy", "softmax_distance_diversity",
        "distillation_loss", "agreement", "val_accuracy",
    }  # fmt: skip
    assert all(len(values) == 2 and np.isfinite(values).all() for values in history.values())


def test_logged_loss_is_the_combination_of_the_logged_terms(make_distiller):
    terms = (
        [dk.objectives.OneHotCrossEntropy(), dk.objectives.ClassEntropy()],
        [dk.objectives.SoftmaxDistanceDiversity()],
    )
    objective = dk.objectives.ExponentialPenalty(*terms, refresh_update=0)
    history = (
        make_distiller(dk.schedules.TwoStage(1, 1), objective=objective)
        .fit(epochs=1, steps_per_epoch=1, verbose=0)
        .history
    )
    terms = [history[name][0] for name in ("one_hot_cross_entropy", "class_entropy", "softmax_distance_diversity")]
    np.testing.assert_allclose(history["synthesis_loss"][0], np.exp(terms[0]) + np.exp(terms[1]) + terms[2], rtol=1e-5)


def test_validation_accuracy_is_the_students(make_distiller):
    distiller = make_distiller(dk.schedules.Alternating(1))
    history = distiller.fit(steps_per_epoch=2, validation_data=(IMAGES, LABELS), verbose=0).history
    expected = np.mean(np.argmax(distiller.student(IMAGES, training=False), axis=-1) == LABELS)
    np.testing.assert_allclose(history["val_accuracy"][0], expected, atol=1e-6)
    np.testing.assert_allclose(distiller.evaluate(IMAGES, LABELS, verbose=0, return_dict=True)["accuracy"], expected)


def test_further_metrics_are_measured_in_validation(make_distiller, tmp_path):
    def largest_logit(labels, logits):
        return ops.max(logits, axis=-1)

    distiller = make_distiller(dk.schedules.Alternating(1))
    top = keras.metrics.SparseTopKCategoricalAccuracy(3, name="top_3")
    distiller.compile("adam", synthesis_optimizer="sgd", metrics=[top, largest_logit])
    history = distiller.fit(steps_per_epoch=2, validation_data=(IMAGES, LABELS), verbose=0).history
    logits = np.array(distiller.student(IMAGES, training=False))
    hits = [label in row for label, row in zip(LABELS, np.argsort(logits)[:, -3:], strict=True)]
    assert history["val_top_3"][0] == pytest.approx(np.mean(hits), abs=1e-6)
    assert history["val_largest_logit"][0] == pytest.approx(logits.max(axis=-1).mean(), rel=1e-5)
    assert "val_accuracy" in history and "top_3" not in history
    distiller.compile("adam", synthesis_optimizer="sgd", metrics=[top])
    distiller.save(tmp_path / "distiller.keras")
    again = keras.saving.load_model(tmp_path / "distiller.keras")
    assert list(again.evaluate(IMAGES, LABELS, verbose=0, return_dict=True)) == ["accuracy", "top_3"]


def test_a_metric_that_is_measured_in_any_case_is_refused(make_distiller):
    with pytest.raises(ValueError, match="accuracy occurs twice; accuracy is measured in any case"):
        make_distiller().compile(metrics=["accuracy"])


def test_any_function_may_be_the_distillation_loss(make_distiller):
    def squared(teacher_logits, student_logits):
        return ops.mean(ops.square(teacher_logits - student_logits), axis=-1)

    distiller = make_distiller(dk.schedules.Alternating(1), distillation_loss=squared)
    assert np.isfinite(distiller.fit(steps_per_epoch=2, verbose=0).history["distillation_loss"]).all()


def test_each_stage_moves_its_own_side_only(make_distiller):
    distiller = make_distiller(dk.schedules.TwoStage(1, 1))
    generator, student = distiller.synthesizer.generator, distiller.student
    before = values(generator.variables), values(student.variables)
    distiller.fit(epochs=1, steps_per_epoch=2, verbose=0)
    between = values(generator.variables), values(student.variables)
    distiller.fit(epochs=2, initial_epoch=1, steps_per_epoch=2, verbose=0)
    after = values(generator.variables), values(student.variables)
    assert not equal(between[0], before[0]) and equal(between[1], before[1])
    assert equal(after[0], between[0]) and not equal(after[1], between[1])


def test_the_teacher_is_bit_identical_after_training(make_distiller):
    teacher = dk.Teacher(norm_student(), features=("penultimate",))
    teacher.record({"batch_statistics", "features"})
    distiller = make_distiller(dk.schedules.Alternating(2), teacher=teacher)
    before = values(teacher.model.variables)
    distiller.fit(steps_per_epoch=2, verbose=0)
    assert equal(values(teacher.model.variables), before)


def test_the_students_batch_norm_does_not_move_during_synthesis(make_distiller):
    objective = dk.objectives.WeightedSum([dk.objectives.OneHotCrossEntropy(), Disagreement()])
    distiller = make_distiller(dk.schedules.TwoStage(1, 1), student=norm_student(), objective=objective)
    before = values(distiller.student.variables)
    distiller.fit(epochs=1, steps_per_epoch=2, verbose=0)
    assert equal(values(distiller.student.variables), before)
    distiller.fit(epochs=2, initial_epoch=1, steps_per_epoch=2, verbose=0)
    assert not equal(values(distiller.student.non_trainable_variables), before[2:4])


def test_a_term_that_needs_the_student_gets_the_student(make_distiller):
    """Another implementation passes the teacher in its place, which makes every adversarial term zero."""
    distiller = make_distiller(dk.schedules.TwoStage(1, 1), objective=dk.objectives.WeightedSum([Disagreement()]))
    history = distiller.fit(epochs=1, steps_per_epoch=2, verbose=0).history
    assert history["disagreement"][0] < -1e-6


def test_the_generator_is_in_inference_mode_for_the_student_unless_told(make_distiller):
    for training in (False, True):
        distiller = make_distiller(dk.schedules.TwoStage(1, 1), replay=dk.replay.FreshSamples(training=training))
        before = values(distiller.synthesizer.generator.non_trainable_variables)
        distiller.fit(epochs=2, initial_epoch=1, steps_per_epoch=2, verbose=0)
        assert equal(values(distiller.synthesizer.generator.non_trainable_variables), before) is not training


def test_temperature_takes_effect(make_distiller):
    losses = []
    for temperature in (1.0, 10.0):
        distiller = make_distiller(dk.schedules.Alternating(1), distillation_loss=dk.losses.SoftTargets(temperature))
        losses.append(distiller.fit(steps_per_epoch=2, verbose=0).history["distillation_loss"][0])
    assert abs(losses[0] - losses[1]) > 1e-6


@pytest.mark.parametrize(
    "schedule", [dk.schedules.TwoStage(2, 2), dk.schedules.Alternating(3), dk.schedules.Alternating(2, 2, 3)]
)
def test_every_kind_of_step_is_traced_once(make_distiller, monkeypatch, schedule):
    distiller, traces = make_distiller(schedule), []
    for name in ("_update_synthesizer", "_update_student"):
        original = getattr(type(distiller), name)

        def counted(self, *args, original=original, name=name):
            traces.append(name)
            return original(self, *args)

        monkeypatch.setattr(type(distiller), name, counted)
    distiller.fit(steps_per_epoch=3, verbose=0)
    expected = sum((kind.synthesis > 0) + (kind.student > 0) for kind in schedule.kinds)  # however many: a loop
    assert len(traces) == expected, traces
    distiller.fit(steps_per_epoch=3, verbose=0)
    assert len(traces) == expected, "a second fit() traces nothing again"


def test_one_function_makes_the_steps_of_all_kinds_at_the_position_that_callbacks_see(make_distiller):
    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            positions.append(distiller.position)
            functions.add(id(distiller.train_function))

    positions, functions = [], set()
    distiller = make_distiller(dk.schedules.TwoStage(1, 1))
    distiller.fit(steps_per_epoch=3, callbacks=[Watch()], verbose=0, initial_step=1)
    kinds = [SKIPPED, *2 * [StepKind(1, 0)], *3 * [StepKind(0, 1)]]
    assert positions == [Position(*divmod(index, 3), kind) for index, kind in enumerate(kinds)]
    assert len(functions) == 1


def test_a_skipped_step_changes_nothing(make_distiller):
    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            moved.append(not equal(values(self.model.variables), before))

    moved, distiller = [], make_distiller(dk.schedules.TwoStage(1, 1))
    before = values(distiller.variables)
    distiller.fit(epochs=1, steps_per_epoch=3, initial_step=2, callbacks=[Watch()], verbose=0)
    assert moved == [False, False, True]


def test_seeds_give_the_same_training_again(make_distiller):
    results = []
    for seed in (0, 0, 1):
        distiller = make_distiller(dk.schedules.Alternating(1), seed=seed)
        distiller.fit(steps_per_epoch=2, verbose=0)
        results.append(values(distiller.student.variables))
    assert equal(results[0], results[1])
    assert not equal(results[0], results[2])


def test_the_whole_state_survives_saving(make_distiller, tmp_path):
    distiller = make_distiller(dk.schedules.TwoStage(1, 1))
    distiller.fit(steps_per_epoch=2, verbose=0)
    distiller.save(tmp_path / "distiller.keras")
    again = keras.saving.load_model(tmp_path / "distiller.keras")
    assert equal(values(again.variables), values(distiller.variables))
    assert equal(values(again.optimizer.variables), values(distiller.optimizer.variables))
    assert again.schedule == distiller.schedule and again.distillation_loss == distiller.distillation_loss
    np.testing.assert_array_equal(again(IMAGES), distiller(IMAGES))


def test_a_reloaded_distiller_resumes_to_the_same_weights(make_distiller, tmp_path):
    whole, first = make_distiller(dk.schedules.TwoStage(2, 2)), make_distiller(dk.schedules.TwoStage(2, 2))
    whole.fit(steps_per_epoch=2, verbose=0)
    for epochs in (1, 3):
        first.fit(epochs=epochs, initial_epoch=epochs // 2, steps_per_epoch=2, verbose=0)
        first.save(tmp_path / "distiller.keras")
        first = keras.saving.load_model(tmp_path / "distiller.keras")
    first.fit(epochs=4, initial_epoch=3, steps_per_epoch=2, verbose=0)
    assert equal(values(first.variables)[: len(whole.variables)], values(whole.variables))


def test_keras_callbacks_work_unchanged(make_distiller, tmp_path):
    callbacks = [
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.EarlyStopping("val_accuracy", patience=10),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", "val_accuracy", save_best_only=True),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.TensorBoard(str(tmp_path / "board"), write_graph=False),
    ]
    make_distiller(dk.schedules.TwoStage(1, 2)).fit(
        steps_per_epoch=2, validation_data=(IMAGES, LABELS), callbacks=callbacks, verbose=0
    )
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 4
    assert (tmp_path / "best.keras").exists()
    assert list((tmp_path / "board").rglob("events*"))


def test_backup_and_restore_resumes_with_the_right_noise(make_distiller, tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    whole = make_distiller(dk.schedules.TwoStage(1, 3))
    whole.fit(steps_per_epoch=2, verbose=0)
    interrupted = make_distiller(dk.schedules.TwoStage(1, 3))
    with pytest.raises(KeyboardInterrupt):
        interrupted.fit(steps_per_epoch=2, callbacks=[backup(), Interrupt()], verbose=0)
    resumed = make_distiller(dk.schedules.TwoStage(1, 3))
    resumed.fit(steps_per_epoch=2, callbacks=[backup()], verbose=0)
    assert equal(values(resumed.student.variables), values(whole.student.variables))


@pytest.fixture(scope="module")
def undisturbed():
    """The weights after two epochs of three steps, and the means of their losses."""
    distiller = small_distiller(dk.schedules.TwoStage(1, 1))
    history = distiller.fit(steps_per_epoch=3, verbose=0).history
    return values(distiller.variables), history


@pytest.mark.parametrize(
    "stop", [1, 3, 4], ids=["while the generator trains", "in both stages", "while the student trains"]
)
def test_training_resumes_in_the_middle_of_an_epoch_to_the_same_weights_and_means(
    make_distiller, undisturbed, tmp_path, stop
):
    class StopAfter(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            batches.append(batch)
            if len(batches) == stop:
                self.model.save_weights(tmp_path / "state.weights.h5")
                raise KeyboardInterrupt

    batches, (weights, history) = [], undisturbed
    resumed = make_distiller(dk.schedules.TwoStage(1, 1))
    interrupted = make_distiller(dk.schedules.TwoStage(1, 1))
    with pytest.raises(KeyboardInterrupt):
        interrupted.fit(steps_per_epoch=3, callbacks=[StopAfter()], verbose=0)
    resumed.load_weights(tmp_path / "state.weights.h5")
    for variable, value in zip(resumed.metrics_variables, values(interrupted.metrics_variables), strict=True):
        variable.assign(value)
    epoch, step = divmod(stop, 3)
    again = resumed.fit(steps_per_epoch=3, initial_epoch=epoch, initial_step=step, verbose=0)
    assert equal(values(resumed.variables), weights)
    assert again.history == {name: means[epoch:] for name, means in history.items()}


@pytest.mark.parametrize(
    ("initial_step", "allowed"), [(-1, "a whole number of at least 0"), (4, "from 0 to the 3 steps")]
)
def test_a_first_step_beyond_the_epoch_is_refused(make_distiller, initial_step, allowed):
    with pytest.raises(ValueError, match=f"initial_step={initial_step}.* must be {allowed}"):
        make_distiller().fit(steps_per_epoch=3, initial_step=initial_step, verbose=0)


@pytest.mark.parametrize(("space", "expected"), [("unit", 0.5), ("normalized", 0.5 * 0.4 + 0.3)])
def test_images_of_generators_of_either_space_are_unit_images(make_distiller, space, expected):
    distiller = make_distiller()
    inputs = layers.Input((5,))
    sigmoid = keras.Model(inputs, layers.Reshape(SHAPE)(layers.Dense(1024, activation="sigmoid")(inputs)))
    synthesizer = dk.synthesis.GeneratorSynthesizer(sigmoid, distiller.synthesizer.objective, output_space=space)
    images = synthesizer.sample(np.zeros((2, 5), "float32"), distiller.teacher)
    np.testing.assert_allclose(images, np.full((2, *SHAPE), expected), atol=1e-5)


def test_synthesize_gives_unit_images(make_distiller, rng):
    images = np.array(make_distiller().synthesize(rng.normal(size=(3, 5)).astype("float32")))
    assert images.shape == (3, *SHAPE)
    assert images.min() >= 0 and images.max() <= 1


def test_called_as_a_model_it_is_the_student(make_distiller):
    distiller = make_distiller()
    np.testing.assert_array_equal(distiller(IMAGES), distiller.student(IMAGES, training=False))


def test_a_plain_keras_model_is_taken_as_teacher(make_distiller):
    distiller = make_distiller(teacher=dk.Teacher(models.lenet5()))
    again = dk.DataFreeDistiller(models.lenet5(), models.lenet5_half(), distiller.synthesizer)
    assert isinstance(again.teacher, dk.Teacher)


@pytest.mark.parametrize(
    ("student", "message"),
    [
        (lambda: models.lenet5_half(num_classes=7), "'lenet5_half' has 7 outputs, but the teacher 'lenet5' 10"),
        (lambda: models.lenet5_half(image_shape=(36, 36, 1)), r"takes images of shape \(36, 36, 1\)"),
        (lambda: keras.Sequential([models.lenet5_half(), layers.Softmax()]), "ends in softmax"),
    ],
)
def test_students_that_do_not_fit_are_refused(make_distiller, student, message):
    with pytest.raises(ValueError, match=message):
        make_distiller(student=student())


def test_generators_of_another_shape_are_refused(make_distiller, normalization):
    distiller = make_distiller()
    synthesizer = dk.synthesis.GeneratorSynthesizer(
        models.upsampling_generator(5, (28, 28, 1)), distiller.synthesizer.objective
    )
    with pytest.raises(ValueError, match=r"generator makes images of shape \(28, 28, 1\).*image_shape"):
        dk.DataFreeDistiller(distiller.teacher, distiller.student, synthesizer)


@pytest.mark.parametrize("batch_size", [1, 7])
def test_batches_without_halves_are_refused_when_the_distiller_is_built(make_distiller, batch_size):
    with pytest.raises(ValueError, match=f"batch_size={batch_size}"):
        make_distiller(batch_size=batch_size)


def test_training_data_and_label_losses_are_refused(make_distiller):
    with pytest.raises(ValueError, match=r"fit\(x=...\): data-free distillation takes no training data"):
        make_distiller().fit(x=IMAGES)
    with pytest.raises(ValueError, match=r"compile\(loss=...\) has no effect"):
        make_distiller().compile(loss="mse")


def test_a_term_on_statistics_the_teacher_lacks_is_refused_when_the_distiller_is_built(make_distiller):
    class Statistics(dk.objectives.Term):
        needs = frozenset({"batch_statistics"})

        def __call__(self, batch):
            return ops.sum(batch.batch_statistics[0].mean)

    with pytest.raises(ValueError, match="no BatchNormalization layer"):
        make_distiller(objective=dk.objectives.WeightedSum([Statistics()]))


def test_recompiling_leaves_no_stale_state(make_distiller):
    distiller = make_distiller()
    before, metrics = len(distiller.variables), len(distiller.metrics_variables)
    distiller.compile("adam", synthesis_optimizer="adam")
    assert len(distiller.variables) == before
    assert len(distiller.metrics_variables) == metrics
    distiller.fit(steps_per_epoch=2, verbose=0)


@pytest.mark.parametrize("input_range", ["0..1", "normalized"])
def test_both_networks_predict_the_same_images_in_their_input_range(make_distiller, normalization, input_range):
    teacher = dk.Teacher(models.lenet5(), normalization, input_range=input_range)
    distiller = make_distiller(teacher=teacher, student=models.lenet5_half())
    inputs = IMAGES if input_range == "0..1" else (IMAGES - 0.3) / 0.4
    predicted = distiller.predict_classes(IMAGES)
    assert list(predicted) == ["teacher", "student"]
    for network, classes in zip((teacher.model, distiller.student), predicted.values(), strict=True):
        np.testing.assert_array_equal(classes, np.argmax(network(inputs), axis=-1))


def test_one_optimizer_for_both_sides_is_refused(make_distiller):
    shared = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="give each its own optimizer"):
        make_distiller().compile(shared, synthesis_optimizer=shared)


def test_a_teacher_cannot_be_its_own_student(make_distiller):
    teacher = dk.Teacher(models.lenet5())
    with pytest.raises(ValueError, match="are the same model"):
        make_distiller(teacher=teacher, student=teacher.model)


def test_an_epoch_too_short_for_the_references_is_refused(make_distiller):
    with pytest.raises(ValueError, match=r"epoch of 1 synthesis updates never reaches .*refresh_update=1"):
        make_distiller().fit(steps_per_epoch=1)


@pytest.mark.parametrize(("name", "value"), [("batch_size", 0), ("seed", -1), ("seed", 2**32)])
def test_impossible_counts_and_seeds_are_refused(make_distiller, name, value):
    distiller = make_distiller()
    parts = (distiller.teacher, distiller.student, distiller.synthesizer)
    with pytest.raises(ValueError, match=f"DataFreeDistiller.{name}={value} must be a whole number"):
        dk.DataFreeDistiller(*parts, **{name: value})


def test_several_steps_at_a_time_train_as_one_after_the_other_do(make_distiller):
    after = []
    for execution in (1, 2):
        distiller = make_distiller(dk.schedules.TwoStage(1, 1))
        distiller.compile("adam", synthesis_optimizer="adam", steps_per_execution=execution)
        history = distiller.fit(steps_per_epoch=4, verbose=0).history
        after.append([*values(distiller.variables), *history.values()])
    for one, other in zip(*after, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_steps_at_a_time_that_overrun_an_epoch_are_refused(make_distiller):
    distiller = make_distiller(dk.schedules.Alternating(1))
    distiller.compile(steps_per_execution=2)
    with pytest.raises(ValueError, match=r"steps_per_execution=2\) does not divide the 3 steps of an epoch"):
        distiller.fit(steps_per_epoch=3, verbose=0)


def test_training_does_not_resume_within_a_call_of_several_steps(make_distiller):
    distiller = make_distiller(dk.schedules.Alternating(1))
    distiller.compile(steps_per_execution=2)
    with pytest.raises(ValueError, match=r"initial_step=3\) lies within a call of compile\(steps_per_execution=2"):
        distiller.fit(steps_per_epoch=4, initial_step=3, verbose=0)


def test_dropout_resumes_where_it_was(make_distiller, tmp_path):
    student = keras.Sequential(
        [layers.Input(SHAPE), layers.Flatten(), layers.Dropout(0.5), layers.Dense(10)], name="dropping"
    )
    distiller = make_distiller(dk.schedules.Alternating(1), student=student)
    distiller.fit(steps_per_epoch=2, verbose=0)
    distiller.save(tmp_path / "distiller.keras")
    again = keras.saving.load_model(tmp_path / "distiller.keras")
    assert [int(np.array(v.value)[1]) for v in again.random_state.variables] == [2]


def test_subclassed_students_are_taken(make_distiller):
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.flatten, self.dense = layers.Flatten(), layers.Dense(10)

        def call(self, x):
            return self.dense(self.flatten(x))

    student = Subclassed()
    student(IMAGES)
    make_distiller(dk.schedules.Alternating(1), student=student).fit(steps_per_epoch=2, verbose=0)


def test_half_precision_scales_the_loss_of_both_sides(make_distiller):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        distiller = make_distiller(dk.schedules.Alternating(1))
        history = distiller.fit(steps_per_epoch=2, verbose=0).history
    finally:
        keras.config.set_dtype_policy("float32")
    for optimizer in (distiller.optimizer, distiller.synthesizer.optimizer_state.optimizer):
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    assert all(np.isfinite(column).all() for column in history.values())


def test_synthesizing_images_changes_nothing(make_distiller):
    distiller = make_distiller(replay=dk.replay.FreshSamples(training=True))
    before = values(distiller.variables)
    distiller.synthesize(np.zeros((4, 5), "float32"))
    assert equal(values(distiller.variables), before)


def test_it_can_be_saved_before_it_is_compiled(tmp_path):
    synthesizer = dk.synthesis.GeneratorSynthesizer(
        models.upsampling_generator(5), dk.objectives.WeightedSum([dk.objectives.OneHotCrossEntropy()])
    )
    distiller = dk.DataFreeDistiller(models.lenet5(), models.lenet5_half(), synthesizer, batch_size=8)
    distiller.save(tmp_path / "d.keras")
    loaded = keras.saving.load_model(tmp_path / "d.keras")
    assert equal(values(loaded.student.variables), values(distiller.student.variables))


@pytest.mark.parametrize("name", ["epochs", "steps_per_epoch"])
def test_counts_of_0_are_refused_rather_than_taken_for_the_default(make_distiller, name):
    with pytest.raises(ValueError, match=f"fit.{name}=0 must be a whole number of at least 1"):
        make_distiller().fit(**{name: 0})


def test_a_generator_that_does_not_know_of_classes_has_no_targets(make_distiller):
    with pytest.raises(ValueError, match=r"a term needs the classes that images are made for .*GeneratorSynthesizer"):
        make_distiller(objective=dk.objectives.WeightedSum([dk.objectives.TargetCrossEntropy()]))


@pytest.mark.parametrize("labels", [np.eye(10)[LABELS], LABELS + 1])
def test_validation_labels_of_another_kind_are_refused_before_training(make_distiller, labels):
    distiller = make_distiller(dk.schedules.Alternating(1))
    before = values(distiller.student.variables)
    with pytest.raises(ValueError, match="validation_data has"):
        distiller.fit(steps_per_epoch=2, validation_data=(IMAGES, labels), verbose=0)
    assert equal(values(distiller.student.variables), before)
    with pytest.raises(ValueError, match="validation_data has"):
        distiller.evaluate(IMAGES, labels, verbose=0)
