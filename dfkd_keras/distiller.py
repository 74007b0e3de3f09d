"""The distiller: a Keras model whose training step alternates synthesis and student updates."""

import functools
from typing import Any

import keras
from keras import ops
from keras.src.trainers.compile_utils import MetricsList

from dfkd_keras import gradient
from dfkd_keras.checks import check_counts, check_seed, same_shape
from dfkd_keras.losses import SoftTargets
from dfkd_keras.noise import NoiseStream
from dfkd_keras.replay import FreshSamples
from dfkd_keras.schedule import Alternating, TwoStage, Updates
from dfkd_keras.serialization import Configured, RandomState
from dfkd_keras.synthesis.generator import GeneratorSynthesizer
from dfkd_keras.teacher import Teacher, check_outputs


class DataFreeDistiller(Configured, keras.Model):
    """Distils a teacher into a student on images synthesised from the teacher alone.

    One training step makes the synthesis and the student updates that the schedule asks for. Everything training
    depends on (networks, optimizers, references, metrics) is a variable of this model; the noise is a function of
    (seed, step). Called as a model, it is the student.

    Args:
        teacher: a `Teacher`, or a Keras model that takes images in [0, 1] and gives logits.
        student: a built Keras model of the same inputs and outputs as the teacher; it gives logits.
        synthesizer: makes the images.
        student_loss: `(teacher_logits, student_logits) -> [B]`; `SoftTargets()` by default.
        schedule: how often each side is updated; `Alternating()` by default.
        replay: where the student's images come from; `FreshSamples()` by default.
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
        synthesizer: GeneratorSynthesizer,
        student_loss: Any = None,
        schedule: Alternating | TwoStage | None = None,
        replay: FreshSamples | None = None,
        batch_size: int = 256,
        seed: int = 0,
    ):
        super().__init__(name="data_free_distiller")
        self.teacher = teacher if isinstance(teacher, Teacher) else Teacher(teacher)
        self.student, self.synthesizer = student, synthesizer
        self.student_loss = student_loss or SoftTargets()
        self.schedule, self.replay = schedule or Alternating(), replay or FreshSamples()
        self.batch_size, self.seed = batch_size, seed
        check_counts("DataFreeDistiller", batch_size=batch_size)
        check_seed("DataFreeDistiller", seed)
        check_student(student, self.teacher)
        synthesizer.check(self.teacher, batch_size)

        names = ["synthesis_loss", *synthesizer.objective.names, "student_loss", "agreement"]
        self.random_state = RandomState([student, synthesizer])
        self.means = {name: keras.metrics.Mean(name=name) for name in names}
        self.monitored = _Monitored([keras.metrics.SparseCategoricalAccuracy(name="accuracy")])
        self.updates = self.schedule.updates(epoch=0)
        self._train_functions = {}
        self.built = True

    def compile(self, optimizer: Any = "adam", synthesis_optimizer: Any = "adam", **kwargs: Any) -> None:
        """Sets the optimizers.

        Args:
            optimizer: the student's, a Keras optimizer or its name.
            synthesis_optimizer: the synthesizer's, likewise.
            **kwargs: `jit_compile`, `run_eagerly`, `steps_per_execution`, `auto_scale_loss` of `keras.Model.compile`;
                what the student matches is `student_loss`, and accuracy is always measured.
        """
        for name in ("loss", "metrics", "loss_weights", "weighted_metrics"):
            if kwargs.pop(name, None) is not None:
                raise ValueError(
                    f"compile({name}=...) has no effect here: the student's loss is DataFreeDistiller.student_loss."
                )
        optimizer, synthesis_optimizer = (keras.optimizers.get(which) for which in (optimizer, synthesis_optimizer))
        if optimizer is synthesis_optimizer:
            raise ValueError(f"both sides were given the same {optimizer.name!r} object: give each its own optimizer.")
        super().compile(optimizer=optimizer, **kwargs)
        self.optimizer.build(self.student.trainable_variables)
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer) and self.optimizer is not optimizer:
            synthesis_optimizer = keras.optimizers.LossScaleOptimizer(synthesis_optimizer)  # as Keras did to the other
        self.synthesizer.compile(synthesis_optimizer)
        self._train_functions = {}

    def call(self, images: Any, training: bool = False) -> Any:
        """Returns the student's logits for its inputs `[B, H, W, C]`."""
        return self.student(images, training=training)

    def fit(
        self, *, epochs: int | None = None, steps_per_epoch: int = 120, callbacks: Any = None, **kwargs: Any
    ) -> keras.callbacks.History:
        """Trains without data: the noise is made for it.

        Args:
            epochs: the number of the last epoch, as in Keras; all of the schedule's by default.
            steps_per_epoch: steps an epoch; the schedule says which updates a step makes.
            callbacks: Keras callbacks.
            **kwargs: `validation_data` (real images in the student's input space and integer labels, giving
                `val_accuracy`), `validation_batch_size`, `validation_freq`, `initial_epoch`, `verbose` of
                `keras.Model.fit`.

        Returns:
            Keras' history. In epochs without updates of a side, that side's losses are 0.
        """
        for name in ("x", "y", "batch_size", "validation_split", "sample_weight", "class_weight", "shuffle"):
            if name in kwargs:
                raise ValueError(
                    f"fit({name}=...): data-free distillation takes no training data, only validation_data."
                )
        synthesis_updates = max(updates.synthesis for updates in self.schedule.kinds)
        if synthesis_updates:
            self.synthesizer.objective.check_updates_per_epoch(steps_per_epoch * synthesis_updates)
        conductor = _Conductor(steps_per_epoch)
        noise = NoiseStream(
            self.batch_size,
            draws=max(sum(updates) for updates in self.schedule.kinds),
            latent_dim=self.synthesizer.latent_dim,
            steps_per_epoch=steps_per_epoch,
            seed=self.seed,
            first_step=lambda: conductor.first_step,
        )
        callbacks = keras.tree.flatten([conductor, callbacks or []])
        epochs = self.schedule.epochs if epochs is None else epochs
        return super().fit(
            noise, epochs=epochs, steps_per_epoch=steps_per_epoch, callbacks=callbacks, shuffle=False, **kwargs
        )

    @gradient.train_step
    def train_step(self, data: dict[str, Any]) -> dict[str, Any]:
        """Makes the step's synthesis updates, then its student updates.

        Args:
            data: an element of `NoiseStream`.

        Returns:
            The running means of all losses and of the agreement, by name.
        """
        latents = data["latents"]
        for index in range(self.updates.synthesis):
            update_in_epoch = data["step_in_epoch"][0] * self.updates.synthesis + index
            self._update_synthesizer(latents[:, index], update_in_epoch)
        for index in range(self.updates.student):
            self._update_student(latents[:, self.updates.synthesis + index])
        return {name: mean.result() for name, mean in self.means.items()}

    @gradient.test_step
    def test_step(self, data: tuple[Any, Any]) -> dict[str, Any]:
        """Returns the student's accuracy so far, for images in its input space and integer labels."""
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        self.monitored.update_state(labels, self.student(images, training=False))
        return self.monitored.result()

    def switch_to(self, updates: Updates) -> None:
        """Makes every following training step one of this kind; each kind is compiled once."""
        if updates == self.updates and self.train_function is not None:
            self._train_functions[updates] = self.train_function
            return
        self.updates, self.train_function = updates, self._train_functions.get(updates)
        # A function of its own for each kind: JAX takes equal functions, as bound methods are, for one and the same.
        self.train_step = functools.partial(type(self).train_step, self)
        self.make_train_function()
        self._train_functions[updates] = self.train_function

    def synthesize(self, latents: Any) -> Any:
        """Returns unit images `[B, H, W, C]`, clipped to [0, 1], for latents `[B, Z]`."""
        images = self.synthesizer.sample(latents, self.teacher)
        return ops.clip(self.teacher.normalisation.convert(images, "normalised", "unit"), 0.0, 1.0)

    def get_compile_config(self) -> dict[str, Any]:
        """Returns the optimizers, serialised."""
        optimizers = {"optimizer": self.optimizer, "synthesis_optimizer": self.synthesizer.optimizer_state.optimizer}
        return {name: keras.saving.serialize_keras_object(optimizer) for name, optimizer in optimizers.items()}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles with what `get_compile_config` returned."""
        self.compile(**{name: keras.saving.deserialize_keras_object(value) for name, value in config.items()})

    def _update_synthesizer(self, latents: Any, update_in_epoch: Any) -> None:
        loss, values = self.synthesizer.update(latents, self.teacher, self.student, update_in_epoch)
        for name, value in {"synthesis_loss": loss, **values}.items():
            self.means[name].update_state(value)

    def _update_student(self, latents: Any) -> None:
        images = ops.stop_gradient(self.replay.sample(self.synthesizer, latents, self.teacher))
        teacher_logits = ops.stop_gradient(self.teacher(images).logits)
        inputs = self.teacher.to_inputs(images)

        def loss_fn():
            student_logits = ops.cast(self.student(inputs, training=True), "float32")
            return ops.mean(self.student_loss(teacher_logits, student_logits)), student_logits

        loss, student_logits = gradient.minimize(loss_fn, self.student.trainable_variables, self.optimizer)
        self.means["student_loss"].update_state(loss)
        same = ops.equal(ops.argmax(teacher_logits, axis=-1), ops.argmax(student_logits, axis=-1))
        self.means["agreement"].update_state(ops.cast(same, "float32"))


class _Monitored(MetricsList):
    """A list in which Keras' callbacks find out by themselves that accuracy is to be maximised."""

    def result(self) -> dict[str, Any]:
        return self.get_result()


class _Conductor(keras.callbacks.Callback):
    """Tells the distiller each epoch's kind of step, and the noise which step training starts from."""

    async_safe = True

    def __init__(self, steps_per_epoch: int):
        super().__init__()
        self.steps_per_epoch, self.first_step, self.started = steps_per_epoch, 0, False

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        if not self.started:
            self.first_step, self.started = epoch * self.steps_per_epoch, True
        self.model.switch_to(self.model.schedule.updates(epoch))


def check_student(student: keras.Model, teacher: Teacher) -> None:
    """Raises ValueError if the student's inputs or outputs differ from the teacher's, or if it ends in softmax."""
    if student is teacher.model:
        raise ValueError(
            f"student and teacher are the same model, {student.name!r}: the student must be one of its own."
        )
    shape = tuple(getattr(student, "input_shape", (None, *teacher.image_shape))[1:])  # a subclassed one has none
    if not same_shape(shape, teacher.image_shape):
        raise ValueError(
            f"student {student.name!r} takes images of shape {shape}, but the teacher "
            f"{teacher.model.name!r} {teacher.image_shape}: build the student with the teacher's image shape."
        )
    classes = check_outputs(student, teacher.image_shape)
    if classes != teacher.classes:
        raise ValueError(
            f"student {student.name!r} has {classes} outputs, but the teacher {teacher.model.name!r} "
            f"{teacher.classes}: build the student with {teacher.classes} classes."
        )
