"""The gin-configured run: build, resume, fit, evaluate, export, report."""

from dfkd_keras.experiment.configuration import configure
from dfkd_keras.experiment.experiment import Experiment
from dfkd_keras.experiment.task import Task
from dfkd_keras.experiment.teacher_recipe import TeacherRecipe, build_teacher

__all__ = ["Experiment", "Task", "TeacherRecipe", "build_teacher", "configure"]
