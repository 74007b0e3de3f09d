"""One run of a method on a task: build, train or resume, evaluate, export, report."""

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gin
import keras

from dfkd_keras.backend.distribution import any_across_workers
from dfkd_keras.backend.host_call import host_errors
from dfkd_keras.backend.out_of_memory import translate_out_of_memory
from dfkd_keras.backend.precision import PRECISIONS, dtype_policy_scope
from dfkd_keras.backend.seed import seed_initial_weights
from dfkd_keras.data import Split
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment import results
from dfkd_keras.experiment.benchmark import Clock
from dfkd_keras.experiment.evaluation import Evaluation, evaluation
from dfkd_keras.experiment.export import export_checked
from dfkd_keras.experiment.gin_bindings import check_given
from dfkd_keras.experiment.gin_errors import translate_gin_errors
from dfkd_keras.experiment.identity import describe, describe_build, describe_test_data
from dfkd_keras.experiment.plan import Plan, plan_of
from dfkd_keras.experiment.reporting.assessment import assess
from dfkd_keras.experiment.reporting.image_grids import draw_test_images
from dfkd_keras.experiment.reporting.model_card import write_card
from dfkd_keras.experiment.reporting.report import write_report
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.experiment.task import Task
from dfkd_keras.experiment.teacher_recipe import check_same_on_all_workers, without_teacher_training
from dfkd_keras.experiment.training.early_stopping import AgreementEarlyStopping
from dfkd_keras.experiment.training.loop import TrainingResult, train
from dfkd_keras.experiment.training.preemption import Preemption
from dfkd_keras.experiment.training.rehearsal import rehearse
from dfkd_keras.experiment.training.settings import TrainingSettings
from dfkd_keras.images import InputRange
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import (
    check_choices,
    check_counts,
    check_factories,
    check_flags,
    check_kinds,
    check_lists,
    check_positive,
    check_seed,
    given,
)
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.files import atomic_write

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A method on a task.

    Args:
        method: String. Name of the method, for the run directory and the results.
        task: `Task`. The data set, the teacher and the student.
        distiller: Callable. Returns the `DataFreeDistiller` when called with `teacher`, `student` and `seed`.
        optimizer: Callable without arguments. Returns the optimizer of the student.
        synthesis_optimizer: Callable without arguments. Returns the optimizer of the synthesizer.
        seed: Integer from 0 to 2**32 - 1. Seed of initial weights and noise. Defaults to 0.
        evaluate_every_epochs: Integer. Evaluates the student on test images this often during training. Defaults to 1.
        images_every_epochs: Integer. Draws synthetic images this often, in epochs of synthesis. Defaults to 1.
        checkpoint_every_epochs: Integer. Saves the complete state this often. Defaults to 1.
        steps_per_execution: Integer. Training steps per call of the compiled function. More than 1 pays off where a
            step takes hardly longer than a call, for methods that do not change the kind of step within an epoch, on
            one device. Defaults to 1.
        jit_compile: Boolean. Whether XLA compiles the training steps. Defaults to None, which leaves it to Keras: on
            accelerators, and always on JAX.
        early_stopping: `AgreementEarlyStopping`. Ends the training when it no longer improves. Defaults to None, no
            early stopping.
        callbacks: Sequence of Keras callbacks for the training, in addition to those of the run. Their own state is
            not part of the checkpoints. Defaults to none.
        precision: String, "float32", "mixed_bfloat16" or, on TensorFlow, "mixed_float16". What the networks compute
            in. Weights, losses and statistics are always float32, and a teacher from a file keeps the precision that
            it was saved with. Defaults to None, Keras' global dtype policy.
        other_ranges: Sequence of strings. Other ranges of the teacher's images, as in `InputConvention`, that may be
            right, for which the agreement is estimated too. Defaults to none.
        decisions: Dictionary of strings. What a command such as `distill` decided, and why, by its title, for the
            results. Defaults to None.

    Raises:
        InvalidInputError: If a count is below 1, if the seed, the precision or a range is invalid, or if an argument is
            of another kind.
    """

    method: str
    task: Task
    distiller: Callable[..., DataFreeDistiller]
    optimizer: Callable[[], keras.optimizers.Optimizer]
    synthesis_optimizer: Callable[[], keras.optimizers.Optimizer]
    seed: int = 0
    evaluate_every_epochs: int = 1
    images_every_epochs: int = 1
    checkpoint_every_epochs: int = 1
    steps_per_execution: int = 1
    jit_compile: bool | None = None
    early_stopping: AgreementEarlyStopping | None = None
    callbacks: Sequence[keras.callbacks.Callback] = ()
    precision: str | None = None
    other_ranges: Sequence[InputRange] = ()
    decisions: dict[str, str] | None = None

    def __post_init__(self):
        check_counts(
            "Experiment",
            evaluate_every_epochs=self.evaluate_every_epochs,
            images_every_epochs=self.images_every_epochs,
            checkpoint_every_epochs=self.checkpoint_every_epochs,
            steps_per_execution=self.steps_per_execution,
        )
        check_seed("Experiment", self.seed)
        check_flags("Experiment", **given(jit_compile=self.jit_compile))
        check_kinds("Experiment", str, method=self.method)
        check_kinds("Experiment", Task, task=self.task)
        factories = {name: getattr(self, name) for name in ("distiller", "optimizer", "synthesis_optimizer")}
        check_factories("Experiment", **factories)
        check_kinds("Experiment", AgreementEarlyStopping, **given(early_stopping=self.early_stopping))
        check_lists("Experiment", keras.callbacks.Callback, callbacks=self.callbacks)
        check_lists("Experiment", str, other_ranges=self.other_ranges)
        check_choices("Experiment", PRECISIONS, **given(precision=self.precision))
        if self.precision == "mixed_float16" and keras.backend.backend() == "jax":
            raise InvalidInputError(
                "Experiment.precision='mixed_float16' does not work on JAX: use mixed_bfloat16 or float32."
            )

    @property
    def name(self) -> str:
        """Method, task and seed as one word, the default name of the run directory."""
        return f"{self.method}-{self.task.name}-seed{self.seed}"

    @translate_gin_errors()
    def teacher(self) -> Teacher:
        """Returns the task's teacher, which a recipe trains unless it is in the cache."""
        with dtype_policy_scope(self.precision):
            teacher = self.task.teacher()
        self.task.check(teacher)
        return teacher

    @translate_gin_errors()
    def build(self) -> DataFreeDistiller:
        """Builds the compiled distiller with its teacher."""
        teacher = self.teacher()
        check_same_on_all_workers(teacher)
        with dtype_policy_scope(self.precision):
            seed_initial_weights(self.seed)
            distiller = self.distiller(teacher=teacher, student=self.task.student(), seed=self.seed)
            optimizers = self.optimizer(), self.synthesis_optimizer()
            compiled = {"steps_per_execution": self.steps_per_execution, **given(jit_compile=self.jit_compile)}
            distiller.compile(*optimizers, **compiled)
        if self.early_stopping:
            self.early_stopping.check(distiller)
        return distiller

    def plan(self, clock: Clock = time.perf_counter, seconds: float = 0.0) -> Plan:
        """Builds everything and measures a few steps; trains no teacher and writes nothing.

        No test images are loaded. Distillation on real images (`RealImages`) loads its training images, which TFDS
        downloads if they are not on the disk.

        Args:
            clock: Callable, as in `benchmark.measure`: what time is measured by. Defaults to `time.perf_counter`.
            seconds: Float, as there: how long the measured steps of each kind take at least. Defaults to 0.

        Returns:
            `Plan`. The operative gin configuration, the updates and images, and estimates of time and memory.

        Raises:
            InvalidInputError: If the configuration does not fit together, or a given gin binding has no effect.
        """
        with without_teacher_training() as untrained:
            distiller = self.build()
        check_given()
        return plan_of(distiller, gin.operative_config_str(), not untrained, clock, seconds)

    def run(self, run_dir: Path | str, resume: bool = True, max_minutes: float | None = None) -> dict[str, Any]:
        """Runs the experiment, or resumes what an earlier call left of it.

        Args:
            run_dir: String or `Path`. The run's folder; see `RunDirectory` for its files.
            resume: Boolean. Whether an interrupted run of the same experiment in this folder resumes. If False, it
                starts over. Defaults to True.
            max_minutes: Float. Training time at which the training ends, over all calls. A later call with a higher
                limit resumes. Defaults to None, no limit.

        Returns:
            Dictionary. The contents of `results.json`.

        Raises:
            InvalidInputError: If the configuration does not fit together, a given gin binding has no effect, the
                folder holds another experiment's run, or another process uses it.
            StorageError: If the folder cannot be written, or the disk is full. The same command resumes from the last
                checkpoint.
            OutOfMemoryError: If the memory of the machine or of its accelerator does not suffice.
            NonFiniteLossError: If a loss is not finite, and not at half the learning rates either.
            Preempted: If the process was asked to stop by SIGTERM. The complete state is saved.
        """
        check_positive("run", **given(max_minutes=max_minutes))
        run, started = RunDirectory(run_dir), time.perf_counter()
        with (
            Preemption() as preemption,
            run.locked(),
            translate_out_of_memory(),
            run.translate_write_errors(),
            host_errors(),
        ):
            run.check_is_run_or_empty()
            finished = run.finished(max_minutes) if resume else None
            unfinished = any_across_workers(finished is None)
            test = self.task.test_split()
            identity = self._settings_identity(test)
            if resume:
                run.check_identity(identity)  # already before a teacher is trained for nothing
            with contextlib.nullcontext() if unfinished else without_teacher_training() as untrained:
                distiller = self.build()
            identity |= describe_build(distiller)
            check_given()
            if untrained:  # a complete run, whose teacher is no longer in the cache
                del identity["teacher"]
            if resume:
                run.check_identity(identity, gin.operative_config_str())
            if not unfinished:
                logger.info("%s is complete; --noresume starts over.", run.path)
                return finished
            evaluated = evaluation(self.task, distiller.teacher, test)
            rehearse(distiller, run)  # before anything of an earlier run is removed
            run.claim(identity, gin.operative_config_str(), resume, max_minutes)
            build = self._building([distiller])
            del distiller  # the training's own from here on, which gives it up before it builds another one
            trained = train(self._settings(max_minutes), build, run, evaluated, preemption)
            return self._finish(run, trained, evaluated, max_minutes, started)

    def _building(self, built: list[DataFreeDistiller]) -> Callable[[], DataFreeDistiller]:
        """Returns a function that takes the distiller out of a list, and builds another one once the list is empty."""
        return lambda: built.pop() if built else self.build()

    def _settings_identity(self, test: Split | None) -> dict[str, Any]:
        """Describes what determines the results besides what is built; how often a run is drawn or saved does not."""
        settings = {
            "method": self.method,
            "task": self.task.name,
            "seed": self.seed,
            "precision": self.precision,
            "steps_per_execution": self.steps_per_execution,
            "evaluate_every_epochs": self.evaluate_every_epochs,
            "early_stopping": self.early_stopping,
            "callbacks": self.callbacks,
        }
        return describe(settings) | {"data": describe_test_data(self.task.data, test)}

    def _settings(self, max_minutes: float | None) -> TrainingSettings:
        return TrainingSettings(
            self.evaluate_every_epochs,
            self.images_every_epochs,
            self.checkpoint_every_epochs,
            self.early_stopping,
            self.callbacks,
            max_minutes,
        )

    def _finish(
        self,
        run: RunDirectory,
        trained: TrainingResult,
        evaluated: Evaluation,
        max_minutes: float | None,
        started: float,
    ) -> dict[str, Any]:
        """Saves, exports and evaluates the student, and writes the report, the card and the results."""
        distiller = trained.distiller
        with atomic_write(run.student) as temporary:
            distiller.teacher.in_place(distiller.student).save(temporary)
        export_checked(distiller, evaluated, run)
        if distiller.teacher.is_segmenter:
            draw_test_images(run, distiller, evaluated)
        predicted = distiller.predict_classes(evaluated.split.unit_images)
        figures = results.collect(trained, evaluated, predicted, max_minutes, started)
        figures |= results.in_other_ranges(distiller, evaluated, self.other_ranges)
        described = {"method": self.method, "task": self.task.name, "seed": self.seed, "decisions": self.decisions}
        figures = described | figures
        assessment = assess(distiller, evaluated, predicted)
        write_report(run, figures, trained.history, assessment)
        write_card(run, figures, assessment, distiller)
        run.write_json(run.results, figures)  # last: it makes the run complete
        return figures
