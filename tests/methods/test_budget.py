"""The vocabulary of gin_configs/parts/budget.gin: how long a method trains, the same words for every method."""

from pathlib import Path

import gin
import pytest
from gin import config_parser

from dfkd_keras.experiment import configure
from dfkd_keras.experiment.configuration import configuration_folders
from tests.experiment.test_configuration import METHODS, PAPERS, TASKS

BASELINE = "baselines/real_data.gin"
VOCABULARY = {
    "steps_per_epoch",
    "rounds_per_epoch",
    "synthesis_epochs",
    "student_epochs",
    "warmup_rounds",
    "synthesis_updates",
    "synthesis_updates_per_round",
    "synthesis_updates_per_step",
    "student_updates_per_round",
}


@pytest.fixture(autouse=True)
def clean():
    yield
    gin.clear_config()


def text_of(name):
    return next(path for folder in configuration_folders() if (path := Path(folder, name)).is_file()).read_text()


def macros_of(name):
    """Returns the macros that a file sets, those of a kind of method with their scope."""

    class Names(config_parser.ParserDelegate):
        def configurable_reference(self, name, evaluate):
            return name

        def macro(self, name):
            return name

    statements = config_parser.ConfigParser(text_of(name), Names())
    bound = [each for each in statements if isinstance(each, config_parser.BindingStatement) and not each.arg_name]
    return ["/".join(filter(None, (each.scope, each.selector))) for each in bound]


BUDGET = macros_of("parts/budget.gin")


def schedule(*files, params=()):
    configure(files, params)
    return gin.query_parameter("DataFreeDistiller.schedule").scoped_configurable_fn()


@pytest.mark.parametrize("method", [*METHODS, BASELINE])
def test_twice_the_student_epochs_train_every_method_twice_as_long(method):
    once = schedule(method)
    epochs = once.epochs - (getattr(once, "synthesis_epochs", 0))
    twice = schedule(method, params=[f"student_epochs = {2 * epochs}"])
    first = once.updates_in_epoch(0).student + once.updates_in_epoch(once.epochs - 1).student * (epochs - 1)
    assert twice.epochs - once.epochs == epochs
    assert twice.total_updates().student >= 1.9 * once.total_updates().student >= 1.9 * first / 2


@pytest.mark.parametrize("method", [*METHODS, BASELINE, *PAPERS])
def test_whatever_its_schedule_a_smoke_test_is_short(method):
    short = schedule(method, "modifiers/smoke.gin")
    assert 0 < short.total_updates().student <= 2 * 3 * 10
    assert short.total_updates().synthesis <= 2 * 3 * 2
    assert short.epochs <= 4


@pytest.mark.parametrize("task", TASKS)
def test_a_task_given_later_leaves_nothing_of_an_earlier_tasks_budget(task):
    def budget(*files):
        configure(["rdskd.gin", *files])
        return {name: gin.query_parameter(f"%{name}") for name in BUDGET}

    assert budget("tasks/nyuv2_deeplab.gin", task) == budget("tasks/mnist_resnet8_lenet5half.gin", task)


@pytest.mark.parametrize("task", ["tasks/mnist_lenet5.gin", "tasks/svhn_wrn40_2_wrn16_1.gin"])
@pytest.mark.parametrize("paper", ["papers/rdskd_cifar10.gin", "papers/dafl_cifar10.gin", "papers/zskt_cifar10.gin"])
def test_a_papers_epochs_stay_whatever_task_follows(paper, task):
    epochs = schedule(paper).epochs
    assert schedule(paper, task).epochs == epochs


@pytest.mark.parametrize("name", sorted({*METHODS, BASELINE, *PAPERS, *TASKS, "modifiers/smoke.gin"}))
def test_counts_are_named_in_the_vocabulary(name):
    words = [macro.rpartition("/")[2] for macro in macros_of(name)]
    counts = [word for word in words if "epoch" in word or "rounds" in word or "updates" in word]
    assert set(counts) <= VOCABULARY
