"""One run: build, resume, fit, evaluate, export, report."""

import dataclasses
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gin
import keras
import numpy as np

from dfkd_keras.backend.distribution import any_across_workers
from dfkd_keras.backend.precision import PRECISIONS, dtype_policy_scope
from dfkd_keras.backend.seed import seed_initial_weights
from dfkd_keras.data import Split
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment import results
from dfkd_keras.experiment.reporting.diagnostics import diagnose
from dfkd_keras.experiment.reporting.plots import SHOWN_WITH_MASKS, save_mask_grid
from dfkd_keras.experiment.reporting.report import write_report
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.experiment.task import Task
from dfkd_keras.experiment.teacher_recipe import check_same_everywhere
from dfkd_keras.experiment.training.early_stopping import AgreementEarlyStopping
from dfkd_keras.experiment.training.loop import Limits, train
from dfkd_keras.experiment.training.preemption import Preemption
from dfkd_keras.export import export_savedmodel
from dfkd_keras.export.versions import next_version
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import check_counts, check_seed
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.files import atomic_write

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A method on a task.

    Args:
        method: its name, as in the run directory's name and the results.
        task: what is distilled.
        distiller: makes the distiller when called with `teacher`, `student` and `seed`.
        optimizer: makes the student's optimizer.
        synthesis_optimizer: makes the synthesizer's optimizer.
        seed: of initial weights and noise.
        evaluate_every_epochs: evaluates the student on the test images every so many epochs, while it is trained.
        images_every_epochs: draws synthetic images every so many epochs of synthesis.
        checkpoint_every_epochs: saves all state every so many epochs.
        steps_per_execution: training steps per call of the compiled function; more than 1 pays where steps are as
            short as a call is, for methods that do not switch the kind of step within an epoch, on one device.
        early_stopping: ends a training that has stopped to pay; off by default.
        precision: "float32", "mixed_bfloat16" or, on TensorFlow, "mixed_float16": what the networks compute in; by
            default Keras' global policy. Weights, losses and statistics are float32 in any case; a teacher from a file
            keeps the precision it was saved with.
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
    early_stopping: AgreementEarlyStopping | None = None
    precision: str | None = None

    @property
    def name(self) -> str:
        """Method, task and seed in one word, the default name of the run's folder."""
        return f"{self.method}-{self.task.name}-seed{self.seed}"

    def __post_init__(self):
        check_counts(
            "Experiment",
            evaluate_every_epochs=self.evaluate_every_epochs,
            images_every_epochs=self.images_every_epochs,
            checkpoint_every_epochs=self.checkpoint_every_epochs,
            steps_per_execution=self.steps_per_execution,
        )
        check_seed("Experiment", self.seed)
        if self.precision not in (None, *PRECISIONS):
            raise InvalidInputError(f"Experiment.precision={self.precision!r} must be one of {', '.join(PRECISIONS)}.")
        if self.precision == "mixed_float16" and keras.backend.backend() == "jax":
            raise InvalidInputError(
                "Experiment.precision='mixed_float16' is not for JAX: use mixed_bfloat16 or float32."
            )

    def teacher(self) -> Teacher:
        """Returns the task's teacher; one without a file is trained, or taken from the cache."""
        with dtype_policy_scope(self.precision):
            teacher = self.task.teacher()
        self.task.check(teacher)
        return teacher

    def build(self) -> DataFreeDistiller:
        """Builds the compiled distiller, with its `teacher`."""
        teacher = self.teacher()
        check_same_everywhere(teacher)
        with dtype_policy_scope(self.precision):
            seed_initial_weights(self.seed)
            distiller = self.distiller(teacher=teacher, student=self.task.student(), seed=self.seed)
            optimizers = self.optimizer(), self.synthesis_optimizer()
            distiller.compile(*optimizers, steps_per_execution=self.steps_per_execution)
        if self.early_stopping:
            self.early_stopping.check(distiller)
        return distiller

    def run(
        self,
        run_dir: Path | str,
        resume: bool = True,
        configuration: str | None = None,
        max_minutes: float | None = None,
    ) -> dict[str, Any]:
        """Runs the experiment, or what an earlier call left of it.

        Args:
            run_dir: the run's folder; see `RunDirectory` for what it holds afterwards.
            resume: whether an interrupted run of the same configuration in this folder goes on; otherwise it starts
                over.
            configuration: what tells this experiment from another in the same folder; gin's whole configuration by
                default.
            max_minutes: ends training after so many minutes of it, those of earlier calls included; a later call with
                more of them goes on. No limit by default.

        Returns:
            What `results.json` holds.

        Raises:
            ValueError: if the configuration does not fit together, the folder holds another one's run, or another
                process is in it.
            OSError: if the folder cannot be written, or the disk is full; the same command goes on from the last
                checkpoint.
            FloatingPointError: if a loss is not finite, and not at half the learning rates either.
            Preempted: if the process was asked to stop, by SIGTERM; all state is saved.
        """
        if max_minutes is not None and not max_minutes > 0.0:
            raise InvalidInputError(f"max_minutes={max_minutes} must be above 0.")
        run, configuration = RunDirectory(run_dir), configuration or gin.config_str()
        with Preemption() as preemption, run.locked(), run.translate_disk_full():
            run.check(configuration, resume)
            finished = run.finished(max_minutes) if resume else None
            if not any_across_workers(finished is None):
                logger.info("%s is complete; --noresume starts over.", run.path)
                return finished
            return self._run(run, resume, configuration, Limits(preemption, max_minutes))

    def _run(self, run: RunDirectory, resume: bool, configuration: str, limits: Limits) -> dict[str, Any]:
        started, test, distiller = time.perf_counter(), self.task.test_split(), self.build()
        run.claim(configuration, gin.operative_config_str(), resume)
        trained = train(self, distiller, run, test, limits)
        with atomic_write(run.student) as aside:
            trained.distiller.student.save(aside)
        self._export(run, trained.distiller)
        diagnostics = diagnose(trained.distiller)
        if trained.distiller.teacher.is_segmenter:
            self._draw_test_images(run, trained.distiller, test)
        outcome = results.collect(self, trained, test, limits.max_minutes, started)  # which may train on
        write_report(run, outcome, trained.history, self.task.data.class_names, diagnostics)
        run.write_json(run.results, outcome)
        return outcome

    def _draw_test_images(self, run: RunDirectory, distiller: DataFreeDistiller, test: Split) -> None:
        chosen = np.linspace(0, len(test.labels) - 1, SHOWN_WITH_MASKS).astype(int)
        images = test.unit_images[chosen]
        masks = {"truth": test.labels[chosen], **distiller.seen_by_both(images)}
        with atomic_write(run.test_images) as aside:
            save_mask_grid(aside, images, masks, self.task.data.class_names)

    def _export(self, run: RunDirectory, distiller: DataFreeDistiller) -> None:
        if keras.backend.backend() != "tensorflow":
            logger.warning("no SavedModel: the export needs the TensorFlow backend; %s is there.", run.student)
            return
        teacher, data = distiller.teacher, self.task.data
        export_savedmodel(
            distiller.student,
            run.exports,
            teacher.normalization,
            teacher.input_space,
            version=next_version(run.exports),
            class_names=data.class_names,
            image_shape=data.image_shape,
        )
