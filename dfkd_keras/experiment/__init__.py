"""The run of a gin configuration: build, resume, fit, evaluate, export, report."""

from dfkd_keras.experiment.configuration import configure
from dfkd_keras.experiment.experiment import Experiment
from dfkd_keras.experiment.method_needs import method_needs
from dfkd_keras.experiment.plan import Plan
from dfkd_keras.experiment.task import Task
from dfkd_keras.experiment.teacher_recipe import TeacherRecipe, build_teacher

__all__ = ["Experiment", "Plan", "Task", "TeacherRecipe", "build_teacher", "configure", "method_needs"]
