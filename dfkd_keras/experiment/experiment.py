"""One run: build, resume, fit, evaluate, export, report."""

import dataclasses
import importlib.metadata
import platform
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gin
import keras
import numpy as np
from absl import logging

from dfkd_keras import metrics
from dfkd_keras.data import Split
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment import benchmark, callbacks
from dfkd_keras.experiment.history import History
from dfkd_keras.experiment.report import write_report
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.experiment.task import Task
from dfkd_keras.export import export_savedmodel
from dfkd_keras.files import written_aside

VERSIONED = ("dfkd_keras", "keras", "tensorflow", "jax", "numpy", "gin-config")


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A method on a task.

    Args:
        method: its name, as in the run directory's name and the results.
        task: what is distilled.
        distiller: makes the distiller when called with `teacher`, `student` and `seed`.
        optimizer: makes the student's optimizer.
        synthesis_optimizer: makes the synthesizer's optimizer.
        steps_per_epoch: steps an epoch; the distiller's schedule says which updates a step makes.
        seed: of initial weights and noise.
        evaluate_every_epochs: evaluates the student on the test images every so many epochs.
        images_every_epochs: draws synthetic images every so many epochs.
        checkpoint_every_epochs: saves all state every so many epochs.
    """

    method: str
    task: Task
    distiller: Callable[..., DataFreeDistiller]
    optimizer: Callable[[], keras.optimizers.Optimizer]
    synthesis_optimizer: Callable[[], keras.optimizers.Optimizer]
    steps_per_epoch: int = 120
    seed: int = 0
    evaluate_every_epochs: int = 1
    images_every_epochs: int = 10
    checkpoint_every_epochs: int = 1

    @property
    def name(self) -> str:
        """Method, task and seed in one word, the default name of the run's folder."""
        return f"{self.method}-{self.task.name}-seed{self.seed}"

    def build(self) -> DataFreeDistiller:
        """Loads or trains the teacher and builds the compiled distiller."""
        teacher = self.task.teacher()
        self.task.check(teacher)
        keras.utils.set_random_seed(self.seed)
        distiller = self.distiller(teacher=teacher, student=self.task.student(), seed=self.seed)
        distiller.compile(self.optimizer(), synthesis_optimizer=self.synthesis_optimizer())
        return distiller

    def run(self, run_dir: Path | str, resume: bool = True) -> dict[str, Any]:
        """Runs the experiment, or what an earlier call left of it.

        Args:
            run_dir: the run's folder; see `RunDirectory` for what it holds afterwards.
            resume: whether an interrupted run of the same configuration in this folder goes on; otherwise it starts
                over.

        Returns:
            What `results.json` holds.

        Raises:
            ValueError: if the configuration does not fit together or the folder holds another one's run.
            FloatingPointError: if a loss is not finite.
        """
        run, configuration = RunDirectory(run_dir), gin.config_str()
        run.claim(configuration, resume)
        if results := run.finished():
            logging.info("%s is complete.", run.path)
            return results
        started = time.perf_counter()
        test, distiller = self.task.test_split(), self.build()
        run.write_configuration(configuration, gin.operative_config_str())
        inputs = student_inputs(distiller, test)
        history = self._fit(run, distiller, inputs, test)
        with written_aside(run.student) as aside:
            distiller.student.save(aside)
        self._export(run, distiller)
        results = self._results(distiller, history, inputs, test, time.perf_counter() - started)
        classes = callbacks.sample_images(distiller, 1024)[1]
        counts = np.bincount(classes.ravel(), minlength=distiller.teacher.classes).tolist()
        write_report(run, results, history, self.task.data.class_names, counts)
        run.write_json(run.results, results)
        return results

    def _fit(self, run: RunDirectory, distiller: DataFreeDistiller, inputs: np.ndarray, test: Split) -> History:
        terms = distiller.synthesizer.objective.names
        losses = ["synthesis_loss", *terms, "student_loss", "agreement", "val_accuracy"]
        history, epochs = History(run.metrics, ["epoch", "seconds", *losses]), 0
        if checkpoint := run.latest_checkpoint():
            path, epochs = checkpoint
            distiller.load_weights(path)
            logging.info("resuming after epoch %d from %s", epochs, path)
        history.restart_after(epochs)
        if epochs < distiller.schedule.epochs:
            distiller.fit(
                steps_per_epoch=self.steps_per_epoch,
                initial_epoch=epochs,
                validation_data=(inputs, test.labels),
                validation_batch_size=256,
                validation_freq=self.evaluate_every_epochs,
                callbacks=self._callbacks(run, history, epochs),
                verbose=0,
            )
        return history

    def _callbacks(self, run: RunDirectory, history: History, initial_epoch: int) -> list[keras.callbacks.Callback]:
        tensorboard = keras.callbacks.TensorBoard(str(run.tensorboard), write_graph=False)
        return [
            callbacks.Recorder(history),
            callbacks.StopOnNonFinite(),
            *([tensorboard] if keras.backend.backend() == "tensorflow" else []),
            callbacks.ProgressBar(initial_epoch),
            callbacks.ImageGrids(run, self.images_every_epochs, self.task.data.class_names),
            callbacks.Checkpoints(run, self.checkpoint_every_epochs),
        ]

    def _export(self, run: RunDirectory, distiller: DataFreeDistiller) -> None:
        if keras.backend.backend() != "tensorflow":
            logging.warning("no SavedModel was written: the export of %s needs the TensorFlow backend.", run.student)
            return
        teacher = distiller.teacher
        export_savedmodel(distiller.student, run.exports, teacher.normalisation, teacher.input_space)

    def _results(
        self, distiller: DataFreeDistiller, history: History, inputs: np.ndarray, test: Split, seconds: float
    ) -> dict[str, Any]:
        teacher, student, schedule = distiller.teacher, distiller.student, distiller.schedule
        updates = [schedule.updates(epoch) for epoch in range(schedule.epochs)]
        synthesis, distilling = (self.steps_per_epoch * sum(counts) for counts in zip(*updates, strict=True))
        final = metrics.accuracy(student, test, inputs)
        teacher_outputs = metrics.accuracy(teacher.model, test, inputs)
        seconds_synthesis, seconds_student = split_seconds(distiller, history)
        images = distilling * distiller.batch_size
        return {
            "method": self.method,
            "task": self.task.name,
            "seed": self.seed,
            "backend": keras.backend.backend(),
            "teacher_accuracy": teacher_outputs,
            "student_accuracy": final,
            "student_accuracy_best": max([*history.column("val_accuracy"), final]),
            "agreement": metrics.agreement(teacher.model, student, inputs),
            "synthetic_images": images,
            "synthesis_updates": synthesis,
            "student_updates": distilling,
            "seconds_synthesis": seconds_synthesis,
            "seconds_student": seconds_student,
            "seconds_total": seconds,
            "images_per_second": images / max(seconds_synthesis + seconds_student, 1e-9),
            "peak_memory_mb": peak_memory_mb(),
            "teacher_parameters": teacher.model.count_params(),
            "student_parameters": student.count_params(),
            "versions": versions(),
        }


def student_inputs(distiller: DataFreeDistiller, split: Split) -> np.ndarray:
    """Returns a split's images as student and teacher take them."""
    teacher = distiller.teacher
    return np.asarray(teacher.normalisation.convert(split.unit_images, "unit", teacher.input_space))


def split_seconds(distiller: DataFreeDistiller, history: History) -> tuple[float, float]:
    """Returns the training seconds of synthesis and of the student.

    Where one compiled step makes both updates, its time is shared out by the medians of the two, measured on a few
    steps afterwards; that trains the distiller a little more, so the student must have been saved.
    """
    seconds, medians = {"synthesis": 0.0, "student": 0.0}, None
    for row in history.rows:
        updates = distiller.schedule.updates(int(row["epoch"]) - 1)
        if all(updates):
            medians = medians or benchmark.measure(distiller, steps=3)
            weights = (
                updates.synthesis * medians["seconds_per_synthesis_update"],
                updates.student * medians["seconds_per_student_update"],
            )
        else:
            weights = updates
        seconds["synthesis"] += row["seconds"] * weights[0] / sum(weights)
        seconds["student"] += row["seconds"] * weights[1] / sum(weights)
    return seconds["synthesis"], seconds["student"]


def peak_memory_mb() -> float:
    """Returns the largest resident memory of this process so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def versions() -> dict[str, str]:
    """Returns the versions of what the result depends on."""
    installed = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed
