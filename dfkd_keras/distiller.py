"""The distiller: a Keras model whose training step alternates synthesis and student updates."""

import functools
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.src.trainers.compile_utils import MetricsList

from dfkd_keras.augmentation import RandomCropFlip
from dfkd_keras.backend import gradient
from dfkd_keras.backend.distribution import disable_gradient_aggregation, gather
from dfkd_keras.backend.replicas import sync_replicas
from dfkd_keras.backend.state import RandomState
from dfkd_keras.compatibility import (
    check_image_size,
    check_memory,
    check_plan,
    check_shares,
    check_student,
    check_targets,
    check_weights,
)
from dfkd_keras.losses.feature_matching import FeatureMatching
from dfkd_keras.losses.keras_adapter import as_distillation_loss
from dfkd_keras.losses.logits import SoftTargets
from dfkd_keras.metrics import validation_metrics
from dfkd_keras.objectives.modulation import Modulation
from dfkd_keras.optimizers import set_total_updates
from dfkd_keras.replay import FreshSamples, ReplayBuffer
from dfkd_keras.replay.batch import ReplayBatch
from dfkd_keras.schedules.callback import ScheduleCallback
from dfkd_keras.schedules.noise import Draws, NoiseStream
from dfkd_keras.schedules.schedule import Alternating, Schedule, StepKind
from dfkd_keras.synthesis.synthesizer import SynthesisContext, Synthesizer
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import check_counts, check_seed
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.serialization import Configured


class DataFreeDistiller(Configured, keras.Model):
    """Distills a teacher into a student on images synthesized from the teacher alone.

    One training step makes the synthesis and the student updates that the schedule asks for. Everything training
    depends on (networks, optimizers, references, metrics) is a variable of this model; the noise is a function of
    (seed, step). Called as a model, it is the student.

    Args:
        teacher: a `Teacher`, or a Keras model that takes images in [0, 1] and gives logits.
        student: a built Keras model of the same inputs and outputs as the teacher; it gives logits.
        synthesizer: makes the images.
        distillation_loss: `(teacher_logits, student_logits) -> [B]`; one that matches features too, such as
            `AttentionTransfer`; or an object of `keras.distillation`. `SoftTargets()` by default.
        schedule: how often each side is updated; `Alternating()` by default.
        replay: where the student's images come from; `FreshSamples()` by default.
        augment: applied to the student's images before both networks see them; nothing by default.
        modulation: SSD-KD's phi on the student's loss too; nothing by default.
        batch_size: images per update of either side.
        seed: of the noise, a non-negative integer.

    Raises:
        ValueError: if the parts do not fit together.

    Example:
        >>> distiller = DataFreeDistiller(teacher, student, synthesizer, SoftTargets(10.0), TwoStage(2, 8))
        >>> distiller.compile(keras.optimizers.Adam(2e-3), synthesis_optimizer=keras.optimizers.Adam(1e-3))
        >>> distiller.fit(steps_per_epoch=120, validation_data=(test_images, test_labels))
        >>> distiller.student.save("student.keras")
    """

    def __init__(
        self,
        teacher: Teacher | keras.Model,
        student: keras.Model,
        synthesizer: Synthesizer,
        distillation_loss: Any = None,
        schedule: Schedule | None = None,
        replay: FreshSamples | ReplayBuffer | None = None,
        augment: RandomCropFlip | None = None,
        modulation: Modulation | None = None,
        batch_size: int = 256,
        seed: int = 0,
    ):
        super().__init__(name="data_free_distiller")
        self.teacher = teacher if isinstance(teacher, Teacher) else Teacher(teacher)
        self.student, self.synthesizer = student, synthesizer
        self.distillation_loss = as_distillation_loss(distillation_loss or SoftTargets())
        self.schedule, self.replay = schedule or Alternating(), replay or FreshSamples()
        self.augment, self.modulation = augment, modulation
        self.batch_size, self.seed = batch_size, seed
        check_counts("DataFreeDistiller", batch_size=batch_size)
        check_seed("DataFreeDistiller", seed)
        check_shares(batch_size, {"teacher": self.teacher.model, "student": student, "synthesizer": synthesizer})
        check_student(student, self.teacher)
        check_targets(self.teacher, synthesizer)
        check_memory(self.schedule, self.replay, synthesizer, modulation)
        check_image_size(self.teacher, self.replay, synthesizer)
        check_weights(self.distillation_loss, self.replay, modulation)
        self._matching = FeatureMatching(self.distillation_loss, self.teacher, student)
        synthesizer.prepare(self.teacher, batch_size)
        self.replay.prepare(self.teacher, batch_size, self.schedule.rounds)

        names = ["synthesis_loss", *synthesizer.objective.names, "distillation_loss", "agreement", *self.replay.names]
        self.random_state = RandomState([student, synthesizer])
        self.means = {name: keras.metrics.Mean(name=name) for name in names}
        self.validation_metrics = _Monitored(validation_metrics(self.teacher.num_classes, self.teacher.is_segmenter))
        self.updates = self.schedule.step_kind(epoch=0)
        self._train_functions = {}
        self.built = True

    def compile(self, optimizer: Any = "adam", synthesis_optimizer: Any = "adam", **kwargs: Any) -> None:
        """Sets the optimizers.

        Args:
            optimizer: the student's, a Keras optimizer or its name.
            synthesis_optimizer: the synthesizer's, likewise.
            **kwargs: `jit_compile`, `run_eagerly`, `steps_per_execution`, `auto_scale_loss` of `keras.Model.compile`;
                what the student matches is `distillation_loss`, and what is measured follows from the teacher.
        """
        for name in ("loss", "metrics", "loss_weights", "weighted_metrics"):
            if kwargs.pop(name, None) is not None:
                raise InvalidInputError(
                    f"compile({name}=...) has no effect here: the loss is DataFreeDistiller.distillation_loss."
                )
        optimizer, synthesis_optimizer = (keras.optimizers.get(which) for which in (optimizer, synthesis_optimizer))
        if optimizer is synthesis_optimizer:
            raise InvalidInputError(
                f"both sides were given the same {optimizer.name!r} object: give each its own optimizer."
            )
        super().compile(optimizer=optimizer, **kwargs)
        if gradient.BACKEND == "jax" and isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            raise InvalidInputError("mixed_float16 does not work on the jax backend: use mixed_bfloat16 or float32.")
        disable_gradient_aggregation(self.optimizer)
        self.optimizer.build(self.student.trainable_variables)
        scaling = keras.optimizers.LossScaleOptimizer
        if isinstance(self.optimizer, scaling) and not isinstance(synthesis_optimizer, scaling):
            synthesis_optimizer = scaling(synthesis_optimizer)  # as Keras did to the other under mixed_float16
        self.synthesizer.compile(synthesis_optimizer)
        self._train_functions = {}

    def call(self, images: Any, training: bool = False) -> Any:
        """Returns the student's logits for its inputs `[B, H, W, C]`."""
        return self.student(images, training=training)

    def fit(
        self,
        *,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        initial_step: int = 0,
        callbacks: Any = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains without data: the noise is made for it.

        Args:
            epochs: the number of the last epoch, as in Keras; all of the schedule's by default.
            steps_per_epoch: steps an epoch; the schedule's by default.
            initial_step: steps of the first epoch (`initial_epoch`) that the loaded state has behind it; they are
                passed over, and the epoch's means go on from the present values of `metrics_variables`, which
                Keras does not save.
            callbacks: Keras callbacks.
            **kwargs: `validation_data` (real images in the student's input space and integer labels, giving
                `val_accuracy`, or masks, which give `val_mean_iou` too), `validation_batch_size`, `validation_freq`,
                `initial_epoch`, `verbose` of `keras.Model.fit`.

        Returns:
            Keras' history. In epochs without updates of a side, that side's losses are 0.
        """
        for name in ("x", "y", "batch_size", "validation_split", "sample_weight", "class_weight", "shuffle"):
            if name in kwargs:
                raise InvalidInputError(
                    f"fit({name}=...): data-free distillation takes no training data, only validation_data."
                )
        epochs = self.schedule.epochs if epochs is None else epochs
        steps_per_epoch = self.schedule.steps_per_epoch if steps_per_epoch is None else steps_per_epoch
        check_counts("fit", epochs=epochs, steps_per_epoch=steps_per_epoch)
        check_plan(self, epochs, steps_per_epoch, kwargs.get("initial_epoch", 0), initial_step)
        # A training in parts follows the same plan as one in one go.
        length = max(epochs, self.schedule.epochs)
        planned = self.schedule.total_updates(length, steps_per_epoch)
        new_lengths = (
            self.synthesizer.set_total_updates(planned.synthesis, self.schedule.rounds_in(length)),
            set_total_updates(self.optimizer, planned.student),
        )
        if any(new_lengths):
            self._train_functions = {}  # which have the old lengths built in
        conductor = ScheduleCallback(self, steps_per_epoch, initial_step)
        noise = NoiseStream(
            self.batch_size,
            kind=lambda step: self.schedule.step_kind(*divmod(step, steps_per_epoch)),
            latent_dim=self.synthesizer.latent_dim,
            num_classes=self.teacher.num_classes,
            steps_per_epoch=steps_per_epoch,
            seed=self.seed,
            first_step=lambda: conductor.first_step,
            by_rounds=self.synthesizer.works_by_rounds,
        )
        callbacks = keras.tree.flatten([conductor, callbacks or []])
        with sync_replicas(self):
            return super().fit(
                noise, epochs=epochs, steps_per_epoch=steps_per_epoch, callbacks=callbacks, shuffle=False, **kwargs
            )

    @gradient.train_step
    def train_step(self, data: dict[str, Any]) -> None:
        """Makes the step's synthesis updates, then its student updates, as its kind says.

        It tells nothing, so that nobody waits for the device in every step: see `running_means`.

        Args:
            data: an element of `NoiseStream`.
        """
        kind, draws = self.updates, functools.partial(Draws.of_update, data)
        if kind.begins_round:
            self.synthesizer.begin_round(draws(0), self.teacher)
        before = data["updates_before"][0]
        gradient.repeat(kind.synthesis, lambda index: self._update_synthesizer(draws(index), before + index))
        if kind.ends_round:
            self.replay.add(*self.synthesizer.end_round(draws(0), self.teacher))
        shared = self._student_batch(draws(0)) if kind.shared_latents else None
        gradient.repeat(kind.student, lambda index: self._update_student(draws(kind.synthesis + index), shared))

    @gradient.test_step
    def test_step(self, data: tuple[Any, Any]) -> dict[str, Any]:
        """Returns the student's accuracy (and mean IoU) so far, for images in its input space and integer labels."""
        images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        self.validation_metrics.update_state(labels, self.student(images, training=False), weights)
        return self.validation_metrics.result()

    def running_means(self) -> dict[str, Any]:
        """Returns the means of all losses and of the agreement in the epoch so far, by name; 0 where there are none."""
        return {name: mean.result() for name, mean in self.means.items()}

    def set_step_kind(self, updates: StepKind) -> None:
        """Makes every following training step one of this kind; each kind is compiled once."""
        self.updates, kind = updates, (updates, self.steps_per_execution)
        self.train_function = self._train_functions.get(kind)
        if self.train_function is not None:
            return
        gradient.restore(self)
        # A function of its own for each kind: JAX takes equal functions, as bound methods are, for one and the same.
        self.train_step = functools.partial(type(self).train_step, self)
        self.make_train_function()
        self.train_function = self._train_functions[kind] = gradient.unlogged(self.train_function)

    def synthesize(self, latents: Any) -> Any:
        """Returns unit images `[B, H, W, C]`, clipped to [0, 1], for latents `[B, Z]`."""
        images = self.synthesizer.sample(latents, self.teacher)
        return ops.clip(self.teacher.normalization.convert(images, "normalized", "unit"), 0.0, 1.0)

    def seen_by_both(self, images: Any) -> dict[str, np.ndarray]:
        """Returns the classes that "teacher" and "student" see in unit images `[B, H, W, C]`, or in their pixels."""
        networks = {"teacher": self.teacher.model, "student": self.student}
        return {name: self.teacher.predict_classes(images, network) for name, network in networks.items()}

    def get_compile_config(self) -> dict[str, Any]:
        """Returns the optimizers, serialized; nothing before `compile`."""
        if not self.compiled:
            return {}
        optimizers = {"optimizer": self.optimizer, "synthesis_optimizer": self.synthesizer.optimizer}
        return {name: keras.saving.serialize_keras_object(optimizer) for name, optimizer in optimizers.items()}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles with what `get_compile_config` returned."""
        self.compile(**{name: keras.saving.deserialize_keras_object(value) for name, value in config.items()})

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """There is nothing left to build. Keras would average a batch of noise over all workers for it, and fail."""

    def _get_metrics_result_or_logs(self, logs: dict[str, Any]) -> dict[str, Any]:
        """Reads an evaluation's or an epoch's values at its end: the last step's are those of one replica's share."""
        return self.validation_metrics.result() if logs else self.running_means()

    def _update_synthesizer(self, draws: Draws, update_in_epoch: Any) -> None:
        context = SynthesisContext(self.teacher, self.student, self.replay.class_counts)
        loss, values = self.synthesizer.update(draws, context, update_in_epoch)
        self._log({"synthesis_loss": loss, **values})

    def _student_batch(self, draws: Draws) -> ReplayBatch:
        return self.replay.sample(draws, self.synthesizer, self.teacher)

    def _update_student(self, draws: Draws, shared: ReplayBatch | None) -> None:
        batch = shared or self._student_batch(draws)
        images = ops.stop_gradient(self._augmented(batch.images, draws.augmentation))
        seen = self.teacher(images)
        own_logits = ops.stop_gradient(seen.logits)
        teacher_logits, inputs = gather(own_logits), self.teacher.to_inputs(images)
        weights = self._weights(batch.weights, teacher_logits)

        def loss_fn():
            with self._matching.recording(seen) as features:
                student_logits = ops.cast(self.student(inputs, training=True), "float32")
            losses = self.distillation_loss(own_logits, student_logits, *features())
            return ops.mean(gather(ops.reshape(losses, (-1,))) * weights), gather(student_logits)

        loss, student_logits = gradient.minimize(loss_fn, self.student.trainable_variables, self.optimizer)
        same = ops.equal(ops.argmax(teacher_logits, axis=-1), ops.argmax(student_logits, axis=-1))
        self._log({"distillation_loss": loss, "agreement": ops.cast(same, "float32")})
        self._log(self.replay.update(batch, teacher_logits, student_logits))

    def _augmented(self, images: Any, uniforms: Any) -> Any:
        if self.augment is None:
            return images
        black = self.teacher.normalization.convert(np.zeros(1, np.float32), "unit", "normalized")
        return self.augment(images, uniforms, black)

    def _weights(self, weights: Any, teacher_logits: Any) -> Any:
        weights = 1.0 if weights is None else weights
        if self.modulation is None:
            return weights
        return weights * self.modulation(teacher_logits, self.replay.class_counts)

    def _log(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            self.means[name].update_state(value)


class _Monitored(MetricsList):
    """A list in which Keras' callbacks find out by themselves that its metrics are to be maximized."""

    def result(self) -> dict[str, Any]:
        return self.get_result()
