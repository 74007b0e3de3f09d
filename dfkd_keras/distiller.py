"""The distiller: a Keras model whose training step alternates synthesis and student updates."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from dfkd_keras import compatibility
from dfkd_keras.backend import gradient
from dfkd_keras.backend.averages import averaged_weights
from dfkd_keras.backend.distribution import disable_gradient_aggregation, gather
from dfkd_keras.backend.keras_internals import maximized_metrics
from dfkd_keras.backend.precision import scale_loss_like
from dfkd_keras.backend.replicas import sync_replicas
from dfkd_keras.backend.state import RandomState
from dfkd_keras.losses.feature_matching import FeatureMatching
from dfkd_keras.losses.keras_adapter import as_distillation_loss
from dfkd_keras.losses.logits import SoftTargets
from dfkd_keras.metrics import check_evaluated, check_validation_data, validation_metrics
from dfkd_keras.objectives.modulation import Modulation
from dfkd_keras.optimizers.rates import set_total_updates
from dfkd_keras.replay import FreshSamples, ImageSource, ReplayBatch, SoftLabelCache
from dfkd_keras.replay.soft_labels import look
from dfkd_keras.schedules.callback import ScheduleCallback
from dfkd_keras.schedules.noise import Draws, NoiseStream
from dfkd_keras.schedules.schedule import Alternating, Position, Schedule
from dfkd_keras.schedules.scheduled_model import ScheduledModel
from dfkd_keras.synthesis.forward_batch import SynthesisContext
from dfkd_keras.synthesis.synthesizer import Synthesizer
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.serialization import Configured


class DataFreeDistiller(Configured, ScheduledModel):
    """Distills a teacher into a student on images synthesized from the teacher alone.

    One training step makes the synthesis and the student updates that the schedule asks for. Everything that training
    depends on (networks, optimizers, replay buffer, metrics) is a variable of this model, and the noise is a function
    of the seed and the step. Called as a model, the distiller is the student.

    Args:
        teacher: A `Teacher`, or a Keras model that takes images in [0, 1] and returns logits.
        student: A built Keras model with the inputs and outputs of the teacher, returning logits. Losses of its own,
            of regularizers or `add_loss`, are minimized too, and not logged.
        synthesizer: A `Synthesizer`. Makes the images.
        distillation_loss: What the student matches: a `StudentLoss`, a `keras.distillation.DistillationLoss`, or a
            callable `(teacher_logits, student_logits) -> [B]`. Defaults to `SoftTargets()`.
        schedule: A `Schedule`. How often each side is updated. Defaults to `Alternating()`.
        replay: An `ImageSource`. Where the student's images come from. Defaults to `FreshSamples()`.
        augment: A callable `(images, uniforms) -> images` of `dk.augmentation`. Augments the images that the student is
            trained on, before both networks get them. Defaults to none.
        modulation: A `Modulation`. Weights each image in the student's loss too (SSD-KD's phi). Defaults to none.
        batch_size: Integer. Images per update of either side. Defaults to 256.
        seed: Integer, at least 0. Seed of the noise. Defaults to 0.
        soft_label_cache: A `SoftLabelCache`. Spares the teacher images that it has seen before. Defaults to none.

    Raises:
        InvalidInputError: If the parts do not fit together.

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
        replay: ImageSource | None = None,
        augment: Callable | None = None,
        modulation: Modulation | None = None,
        batch_size: int = 256,
        seed: int = 0,
        soft_label_cache: SoftLabelCache | None = None,
    ):
        super().__init__(name="data_free_distiller")
        self.teacher = teacher if isinstance(teacher, Teacher) else Teacher(teacher)
        self.student, self.synthesizer, self.batch_size, self.seed = student, synthesizer, batch_size, seed
        self.distillation_loss = as_distillation_loss(SoftTargets() if distillation_loss is None else distillation_loss)
        self.schedule = Alternating() if schedule is None else schedule
        self.replay = FreshSamples() if replay is None else replay
        self.augment, self.modulation, self.soft_label_cache = augment, modulation, soft_label_cache
        compatibility.check_parts(self)

        self._matching = FeatureMatching(self.distillation_loss, self.teacher, student)
        synthesizer.prepare(self.teacher, batch_size)
        self.replay.prepare(self.teacher, batch_size, self.schedule.rounds)
        if soft_label_cache is not None:
            soft_label_cache.prepare(self.teacher, self.replay, batch_size)
        self.random_state = RandomState([student, synthesizer])
        names = ["synthesis_loss", *synthesizer.objective.names, "distillation_loss", "agreement", *self.replay.names]
        self.means = {name: keras.metrics.Mean(name=name) for name in names}
        self._set_metrics()
        self.position = Position(0, 0, self.schedule.step_kind(epoch=0))
        self.built = True

    def compile(
        self, optimizer: Any = "adam", synthesis_optimizer: Any = "adam", metrics: list | None = None, **kwargs: Any
    ) -> None:
        """Sets the optimizers, and what else validation measures.

        Args:
            optimizer: A Keras optimizer, or its name. The student's. Defaults to `"adam"`.
            synthesis_optimizer: A Keras optimizer, or its name. The synthesizer's. Defaults to `"adam"`.
            metrics: List of Keras metrics, their names, or functions, of labels and the student's logits. Measured on
                `validation_data` beside the accuracy (and the mean IoU of masks), which always is. They get all pixels
                of a mask, also those labeled 255, which belong to no class: leave these out yourself, for instance by
                `ignore_class=255`. Defaults to none.
            **kwargs: `jit_compile`, `run_eagerly`, `steps_per_execution` and `auto_scale_loss` of
                `keras.Model.compile`. The loss is `DataFreeDistiller.distillation_loss`.

        Raises:
            InvalidInputError: If the optimizers are the same object, or an argument has no meaning here.
        """
        compatibility.check_compile_arguments(kwargs)
        optimizer, synthesis_optimizer = map(keras.optimizers.get, (optimizer, synthesis_optimizer))
        compatibility.check_optimizers(optimizer, synthesis_optimizer)
        super().compile(optimizer=optimizer, **kwargs)
        compatibility.check_loss_scaling(self.optimizer)
        disable_gradient_aggregation(self.optimizer)
        self.optimizer.build(self.student.trainable_variables)
        self.synthesizer.compile(scale_loss_like(self.optimizer, synthesis_optimizer))
        self._set_metrics(metrics or ())

    def call(self, images: Any, training: bool = False) -> Any:
        """Returns the student's logits for images `[B, H, W, C]` in its input space."""
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
        """Trains the synthesizer and the student; no data are needed.

        Another call begins at step 0 again, with the noise of the first, unless `initial_epoch` continues it.

        Args:
            epochs: Integer. Number of the last epoch, as in Keras. Defaults to the schedule's.
            steps_per_epoch: Integer. Steps per epoch. Defaults to the schedule's.
            initial_step: Integer. Number of steps of the first epoch, `initial_epoch`, that were made before the
                present state was saved. They are skipped, and the epoch's running means continue from the present
                values of `metrics_variables`, which Keras does not save. Defaults to 0.
            callbacks: List of Keras callbacks. Defaults to none.
            **kwargs: `validation_data`, `validation_batch_size`, `validation_freq`, `initial_epoch` and `verbose` of
                `keras.Model.fit`. Validation data are real images in the student's input space, with integer labels
                (logging `val_accuracy`) or masks (logging `val_mean_iou` too).

        Returns:
            A `keras.callbacks.History`. In epochs without updates of one side, the losses of that side are 0.

        Raises:
            InvalidInputError: If training cannot go as the schedule and the arguments say.
        """
        compatibility.check_fit_arguments(kwargs)
        epochs = self.schedule.epochs if epochs is None else epochs
        steps_per_epoch = self.schedule.steps_per_epoch if steps_per_epoch is None else steps_per_epoch
        compatibility.check_plan(self, epochs, steps_per_epoch, kwargs.get("initial_epoch", 0), initial_step)
        check_validation_data(kwargs.get("validation_data"), self.teacher)
        self._set_total_updates(epochs, steps_per_epoch)
        sizes = self.batch_size, self.synthesizer.latent_dim, self.teacher.num_classes, steps_per_epoch
        noise = NoiseStream(self.schedule, *sizes, self.seed, self.synthesizer.works_by_rounds)
        callbacks = keras.tree.flatten([ScheduleCallback(self, noise, initial_step), callbacks or []])
        plan = {"epochs": int(epochs), "steps_per_epoch": int(steps_per_epoch), "callbacks": callbacks}
        with sync_replicas(self), averaged_weights(self.optimizer, self.synthesizer.optimizers):
            return super().fit(noise, shuffle=False, **plan, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, **kwargs: Any) -> Any:
        """Measures the student on images and labels like those of `fit`; see `keras.Model.evaluate`."""
        check_evaluated(x, y, self.teacher)
        return super().evaluate(x, y, **kwargs)

    @gradient.train_step
    def train_step(self, data: dict[str, Any]) -> None:
        """Makes the synthesis updates and then the student updates of the present kind of step.

        Returns no logs, to avoid a device sync every step; use `running_means()`.

        Args:
            data: Dictionary. An element of `NoiseStream`.
        """
        kind, draws = self.position.kind, functools.partial(Draws.of_update, data)
        if kind.begins_round:
            self.synthesizer.begin_round(draws(0), self.teacher)
        before = data["updates_before"][0]
        gradient.repeat(kind.synthesis, lambda index: self._update_synthesizer(draws(index), before + index))
        if kind.ends_round:
            positions = self.replay.add(*self.synthesizer.end_round(draws(0), self.teacher))
            if self.soft_label_cache is not None:
                self.soft_label_cache.add(positions, self.replay, draws(0), self.augment, self.teacher)
        shared = self.replay.sample(draws(0), self.synthesizer, self.teacher) if kind.shared_latents else None
        gradient.repeat(kind.student, lambda index: self._update_student(draws(kind.synthesis + index), shared))

    @gradient.test_step
    def test_step(self, data: tuple[Any, Any]) -> dict[str, Any]:
        """Returns the student's metrics so far, for images in its input space and integer labels or masks."""
        images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        self.validation_metrics.update_state(labels, self.student(images, training=False), weights)
        return self.validation_results()

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The running means of training, and the metrics of validation."""
        return [*self.means.values(), self.validation_metrics]

    def running_means(self) -> dict[str, Any]:
        """Returns the means of the epoch so far: of the losses, the terms, the agreement and the priorities."""
        return {name: mean.result() for name, mean in self.means.items()}

    def validation_results(self) -> dict[str, Any]:
        """Returns the metrics of the last validation by name."""
        return self.validation_metrics.result()

    def synthesize(self, latents: Any) -> Any:
        """Returns synthesized unit images `[B, H, W, C]`, clipped to [0, 1], for latents `[B, Z]`."""
        return ops.clip(self.synthesizer.sample(latents, self.teacher), 0.0, 1.0)

    def predict_classes(self, unit_images: Any) -> dict[str, np.ndarray]:
        """Returns the classes that each network predicts for unit images, or for each of their pixels.

        Args:
            unit_images: Float tensor of shape `[N, H, W, C]`, in [0, 1].

        Returns:
            A dictionary of integer arrays of shape `[N]`, or `[N, H, W]` of segmenters, by "teacher" and "student".
        """
        networks = {"teacher": self.teacher.model, "student": self.student}
        return {name: self.teacher.predict_classes(unit_images, network) for name, network in networks.items()}

    def get_compile_config(self) -> dict[str, Any]:
        """Returns the optimizers and metrics, serialized; nothing before `compile`."""
        if not self.compiled:
            return {}
        parts = {"optimizer": self.optimizer, "synthesis_optimizer": self.synthesizer.optimizer}
        return keras.saving.serialize_keras_object(parts | {"metrics": list(self._extra_metrics)})

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles with what `get_compile_config` returned."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def _set_metrics(self, extra: Sequence[Any] = ()) -> None:
        metrics = validation_metrics(self.teacher.num_classes, self.teacher.is_segmenter, extra)
        self.validation_metrics, self._extra_metrics = maximized_metrics(metrics), list(extra)

    def _set_total_updates(self, epochs: int, steps_per_epoch: int) -> None:
        epochs = max(epochs, self.schedule.epochs)  # resumed training has the length of an uninterrupted run
        total = self.schedule.total_updates(epochs, steps_per_epoch)
        changed = self.synthesizer.set_total_updates(total.synthesis, self.schedule.rounds_in(epochs))
        if set_total_updates(self.optimizer, total.student) or changed:
            self.train_function = None  # the compiled steps have the old length built in

    def _update_synthesizer(self, draws: Draws, update_in_epoch: Any) -> None:
        context = SynthesisContext(self.teacher, self.student, self.replay.class_counts)
        loss, values = self.synthesizer.update(draws, context, update_in_epoch)
        self._log({"synthesis_loss": loss, **values})

    def _update_student(self, draws: Draws, shared: ReplayBatch | None) -> None:
        batch = self.replay.sample(draws, self.synthesizer, self.teacher) if shared is None else shared
        images, outputs = look(self.soft_label_cache, batch, draws, self.augment, self.teacher)
        inputs = self.teacher.to_inputs(images)
        own_logits = ops.stop_gradient(outputs.logits)  # of this replica's share; the others' are gathered
        teacher_logits = gather(own_logits)
        weights = 1.0 if batch.weights is None else batch.weights
        if self.modulation is not None:
            weights = weights * self.modulation(teacher_logits, self.replay.class_counts)

        def loss_fn():
            with self._matching.recording(outputs) as features:
                student_logits = ops.cast(self.student(inputs, training=True), "float32")
            losses = self.distillation_loss(own_logits, student_logits, *features())
            loss = ops.mean(gather(ops.reshape(losses, (-1,))) * weights)
            return gradient.with_own_losses(loss, self.student), (loss, gather(student_logits))

        _, (loss, student_logits) = gradient.minimize(loss_fn, self.student.trainable_variables, self.optimizer)
        agree = ops.equal(ops.argmax(teacher_logits, axis=-1), ops.argmax(student_logits, axis=-1))
        self._log({"distillation_loss": loss, "agreement": ops.cast(agree, "float32")})
        self._log(self.replay.update(batch, teacher_logits, student_logits))

    def _log(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            self.means[name].update_state(value)
