import gin
import keras
import numpy as np
import pytest

import dfkd_keras as dk
from dfkd_keras import data
from dfkd_keras.experiment import Experiment, configure
from dfkd_keras.experiment.configuration import available, configuration_folders
from dfkd_keras.optimizers import CosineDecayOverTraining

FILES = available(configuration_folders())
METHODS = [name for name in FILES if "/" not in name]
ABLATIONS = [name for name in FILES if name.startswith("ablations/")]
TASKS = [name for name in FILES if name.startswith("tasks/")]
PAPERS = [name for name in FILES if name.startswith("papers/")]

DATA_OF_RDSKD = ("mnist", "svhn", "cifar10")


@pytest.fixture(autouse=True)
def clean():
    yield
    gin.clear_config()


def experiment(*files, params=()):
    configure(files, params)
    return gin.get_configurable("Experiment")()


def test_the_promised_files_are_there():
    methods = {
        "rdskd",
        "fast",
        "fast_meta",
        "nayer",
        "ssdkd",
        "dafl",
        "mskd",
        "dfad",
        "zskt",
        "dfq",
        "zskd",
        "deepinversion",
    }
    assert {f"{name}.gin" for name in methods | {"adaptive_deepinversion", "cmi"}} == set(METHODS)
    pairs = ("resnet34_resnet18", "vgg11_resnet18", "wrn40_2_wrn16_1", "wrn40_2_wrn40_1", "wrn40_2_wrn16_2")
    tasks = {
        "digits_lenet5",
        "digits_lenet5bn_lenet5half",
        "mnist_lenet5",
        "mnist_lenet5bn_lenet5half",
        "mnist_resnet8_lenet5half",
        "svhn_vggbn_compact",
        "svhn_wrn40_2_wrn16_1",
        "cifar10_resnet20_resnet8",
        "cifar10_alexnet",
        "shapes_deeplab",
        "camvid_deeplab",
        "camvid_deeplab_resnet18_mobilenet",
        "nyuv2_deeplab",
        *(f"{data}_{pair}" for data in ("cifar10", "cifar100") for pair in pairs),
    }
    assert {f"tasks/{task}.gin" for task in tasks} == set(TASKS)
    compared = {f"{name}_{data}" for name in ("dafl", "mskd", "zskd", "deepinversion") for data in DATA_OF_RDSKD}
    others = {"dfad_mnist", "dfad_cifar10", "zskt_svhn", "zskt_cifar10", "dfq_cifar10", "cmi_cifar10", "nayer_cifar10"}
    others |= {"fast2", "fast5", "fast10", "ssdkd", "adaptive_deepinversion_cifar10"}
    rdskd = {f"rdskd_{name}" for name in DATA_OF_RDSKD}
    assert {f"papers/{name}.gin" for name in compared | others | rdskd} == set(PAPERS)


@pytest.mark.parametrize("name", METHODS + PAPERS + ABLATIONS)
def test_every_method_and_paper_file_describes_an_experiment(name):
    assert isinstance(experiment(name), Experiment)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("method", METHODS)
def test_a_task_given_later_replaces_the_methods_own(method, task):
    assert experiment(method, task).task.name == task.removeprefix("tasks/").removesuffix(".gin")


@pytest.mark.parametrize("name", [name for name in PAPERS if "rdskd" in name])
def test_rdskds_paper_files_have_the_published_schedule(name):
    described = experiment(name)
    schedule = gin.get_configurable("TwoStage")()
    assert (schedule.synthesis_epochs, schedule.student_epochs, schedule.steps_per_epoch) == (20, 1000, 120)
    assert gin.query_parameter("%batch_size") == 512
    assert described.optimizer().epsilon == 1e-8


@pytest.mark.parametrize(("name", "updates"), [("fast2", 2), ("fast5", 5), ("fast10", 10)])
def test_fasts_paper_files_have_the_published_schedule(name, updates):
    described = experiment(f"papers/{name}.gin")
    schedule = gin.get_configurable("Rounds")()
    assert (schedule.epochs, schedule.warmup_rounds, schedule.student_updates) == (200, 20, 400)
    assert schedule.rounds == 220
    assert schedule.synthesis_updates == updates
    inner = gin.get_configurable("FirstOrderMAML")().inner_optimizer
    np.testing.assert_allclose(described.synthesis_optimizer().learning_rate, updates * inner.learning_rate)
    assert described.method == name
    assert gin.query_parameter("%batch_size") == 256


@pytest.mark.parametrize("task", [task for task in TASKS if task.startswith("tasks/cifar10") and "resnet8" not in task])
@pytest.mark.parametrize(("name", "updates", "student"), [("fast2", 2, 400), ("fast10", 10, 400), ("ssdkd", 5, 150)])
def test_the_papers_settings_stay_whatever_pair_follows(name, updates, student, task):
    experiment(f"papers/{name}.gin", task)
    schedule = gin.get_configurable("Rounds")()
    assert (schedule.rounds, schedule.synthesis_updates, schedule.student_updates) == (220, updates, student)
    rate = gin.get_configurable("FirstOrderMAML")().inner_optimizer.learning_rate
    np.testing.assert_allclose(gin.query_parameter("%meta_learning_rate"), updates * rate, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "schedule", "synthesis", "student", "batch_size"),
    [
        ("dafl_mnist", "Alternating", 24_000, 24_000, 512),
        ("dafl_cifar10", "Alternating", 240_000, 240_000, 1024),
        ("dafl_svhn", "Alternating", 240_000, 240_000, 1024),
        ("dfad_mnist", "Alternating", 2_000, 10_000, 512),
        ("dfad_cifar10", "Alternating", 25_000, 125_000, 256),
        ("zskt_cifar10", "Alternating", 80_000, 800_000, 128),
        ("zskt_svhn", "Alternating", 80_000, 800_000, 128),
        ("zskd_mnist", "RoundsFirst", 240 * 1500, 120_020, 100),
        ("zskd_cifar10", "RoundsFirst", 400 * 1500, 200_260, 100),
        ("deepinversion_cifar10", "RoundsFirst", 1000 * 2000, 48_840, 256),
        ("dfq_cifar10", "Alternating", 8_000, 80_000, 256),
        ("nayer_cifar10", "Rounds", 402 * 30, 40_206, 400),
    ],
)
def test_paper_files_have_the_published_numbers_of_updates(name, schedule, synthesis, student, batch_size):
    experiment(f"papers/{name}.gin")
    planned = gin.get_configurable(schedule)().total_updates()
    assert (planned.synthesis, planned.student) == (synthesis, student)
    assert gin.query_parameter("%batch_size") == batch_size


AUTHORS = [
    ("tasks/cifar10_resnet34_resnet18", {"%teacher_first_decay_step": 30889, "%teacher_second_decay_step": 46529}),
    ("tasks/svhn_wrn40_2_wrn16_1", {"%teacher_first_decay_step": 45267, "%teacher_second_decay_step": 68187}),
    ("papers/dfad_cifar10", {"%student_first_decay_step": 24750, "%student_second_decay_step": 49750}),
    ("papers/dfad_cifar10", {"%synthesis_first_decay_step": 4950, "%synthesis_second_decay_step": 9950}),
    ("papers/dfad_mnist", {"teacher/CoupledSGD.learning_rate": 0.01, "teacher/CoupledSGD.l2": 1e-4}),
    ("papers/dfad_mnist", {"TeacherRecipe.batch_size": 256, "TeacherRecipe.epochs": 10}),
    ("papers/cmi_cifar10", {"teacher/PiecewiseConstantDecay.values": [0.1, 0.01, 0.001, 0.0001]}),
    ("papers/cmi_cifar10", {"%generator_width": 128, "contrast/Adam.epsilon": 1e-8}),
    ("papers/fast5", {"teacher/PiecewiseConstantDecay.values": [0.1, 0.02, 0.004, 0.0008]}),
]


@pytest.mark.parametrize(("name", "values"), AUTHORS)
def test_recipes_are_those_of_the_authors_code(name, values):
    files = [f"{name}.gin"] if name.startswith("papers/") else ["rdskd.gin", f"{name}.gin"]
    experiment(*files)
    assert {parameter: gin.query_parameter(parameter) for parameter in values} == values


@pytest.mark.parametrize("data", DATA_OF_RDSKD)
def test_mskd_is_dafl_and_one_term_more(data):
    terms = {}
    for method in ("dafl", "mskd"):
        experiment(f"papers/{method}_{data}.gin")
        objective = gin.get_configurable("WeightedSum")()
        terms[method] = objective.weight_of
    assert terms["mskd"] == {**terms["dafl"], "latent_mode_seeking": 1.0}


@pytest.mark.parametrize("task", [task for task in TASKS if "cifar100" in task])
def test_cifar100_tasks_have_100_classes_and_their_own_statistics(task):
    described = experiment("ssdkd.gin", task)
    assert gin.query_parameter("tfds_dataset.name") == "cifar100"
    assert described.task.student().output_shape == (None, 100)
    assert gin.get_configurable("Normalization")().mean == (0.5071, 0.4867, 0.4408)


SEGMENTATION = [task for task in TASKS if "deeplab" in task]
COMPARED = {"baselines/real_data.gin": "TwoStage", "dfad.gin": "Alternating", "ssdkd.gin": "Rounds"}


@pytest.mark.parametrize("task", SEGMENTATION)
def test_segmentation_has_rounds_that_come_back_and_statistics_of_no_scale(task):
    experiment("ssdkd.gin", task)
    assert gin.get_configurable("Rounds")().synthesis_updates == 5
    assert gin.get_configurable("BatchNormStatistics")().relative


@pytest.mark.parametrize("method", ["fast.gin", "fast_meta.gin", "ssdkd.gin"])
def test_rounds_ask_for_all_classes_where_none_can_be_drawn(method):
    weights = []
    for task in ("tasks/camvid_deeplab.gin", "tasks/cifar10_resnet20_resnet8.gin"):
        experiment(method, task)
        weights.append(gin.get_configurable("WeightedSum")().weight_of.get("class_entropy"))
    assert weights == [0.5, None]


@pytest.mark.parametrize("task", SEGMENTATION)
@pytest.mark.parametrize("method", COMPARED)
def test_methods_are_compared_on_segmentation_with_a_cosine_and_at_one_temperature(method, task):
    described = experiment(method, task)
    assert isinstance(described.optimizer()._learning_rate, CosineDecayOverTraining)
    loss = gin.query_parameter("DataFreeDistiller.distillation_loss").scoped_configurable_fn()
    assert method == "dfad.gin" or loss.temperature == 20.0


def test_classification_keeps_the_published_temperatures_and_rate():
    np.testing.assert_allclose(experiment("dfad.gin").optimizer().learning_rate, 0.01)
    experiment("ssdkd.gin")
    assert gin.get_configurable("SoftTargets")().temperature == 20.0
    experiment("baselines/real_data.gin")
    assert gin.get_configurable("SoftTargets")().temperature == 1.0


def test_camvids_comparison_with_three_seeds_fits_into_two_hours():
    seconds = 600.0  # of the teacher
    for method, schedule in COMPARED.items():
        experiment(method, "tasks/camvid_deeplab.gin")
        planned = gin.get_configurable(schedule)().total_updates()
        seconds += 3 * (planned.synthesis * 0.30 + planned.student * 0.13)  # an update each, on 2 cores
    assert 3600 < seconds < 0.9 * 7200


def test_ablations_change_one_thing_each():
    configure(["ssdkd.gin"])
    whole = gin.config_str()
    for name in ABLATIONS:
        configure([name])
        changed = set(gin.config_str().splitlines()) ^ set(whole.splitlines())
        changed = {line.split(" =")[0] for line in changed if " = " in line}
        assert len(changed - {"Experiment.method", "import"}) == 1, changed


def test_bindings_win_over_files_and_take_effect():
    configure(["rdskd.gin"], ["SoftTargets.temperature = 3.0", "%batch_size = 4".removeprefix("%")])
    assert gin.get_configurable("SoftTargets")().temperature == 3.0
    assert gin.query_parameter("%batch_size") == 4


def test_a_direct_call_ignores_gin():
    configure(["rdskd.gin"])
    assert dk.losses.SoftTargets().temperature == 1.0


def test_the_alternating_schedule_is_a_matter_of_one_file():
    configure(["rdskd.gin", "alternating.gin"])
    schedule = gin.query_parameter("DataFreeDistiller.schedule").scoped_configurable_fn()
    assert schedule == dk.schedules.Alternating(epochs=20, steps_per_epoch=60)


def test_operative_configurations_can_be_read_again(tmp_path):
    described = experiment("rdskd.gin", "smoke.gin", params=["TeacherRecipe.trained = False"])
    described.build()
    (tmp_path / "config.gin").write_text(gin.operative_config_str())
    again = experiment(str(tmp_path / "config.gin"))
    assert again.name == described.name
    assert again.build().batch_size == 8


@pytest.mark.parametrize(
    ("files", "params", "message"),
    [
        (["dfal.gin"], [], r"'dfal.gin' does not exist; did you mean .*dafl\.gin"),
        (["nowhere.gin"], [], r"'nowhere.gin' does not exist; there are: .*rdskd\.gin"),
        (["no_such.gin"], [], r"'no_such.gin' does not exist; there are: .*rdskd\.gin"),
        (["rdskd.gin"], ["NoSuchTerm.weight = 1"], "NoSuchTerm"),
        (["rdskd.gin"], ["SoftTargets.heat = 1"], "heat"),
        (["rdskd.gin"], ["batchsize = 64"], "'batchsize' in 'batchsize = 64' is not a macro of the given files"),
        (["rdskd.gin"], ["SoftTargets.temperature = "], "cannot be read"),
        (["rdskd.gin"], ["SoftTargets.temperature = @NoSuchThing()"], "NoSuchThing"),
    ],
)
def test_unknown_names_are_reported_in_one_line(files, params, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        configure(files, params)
    assert "\n" not in str(error.value)


def test_normalization_of_digits_is_the_training_splits():
    configure(["rdskd.gin"])
    unit = data.digits().load("train").unit_images
    normalization = gin.get_configurable("Normalization")()
    assert abs(normalization.mean[0] - unit.mean()) < 1e-3
    assert abs(normalization.std[0] - unit.std()) < 1e-3


def test_callbacks_of_keras_and_of_a_module_of_ones_own_are_given_by_gin(tmp_path, monkeypatch):
    (tmp_path / "my_callbacks.py").write_text(
        "import gin\nimport keras\n\n\n@gin.register\nclass Beep(keras.callbacks.Callback):\n"
        "    def __init__(self, times=1):\n        super().__init__()\n        self.times = times\n"
    )
    (tmp_path / "mine.gin").write_text(
        "import my_callbacks\n"
        "Experiment.callbacks = [@keras.callbacks.RemoteMonitor(), @TerminateOnNaN(), @Beep()]\nBeep.times = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    remote, nan, beep = experiment("rdskd.gin", str(tmp_path / "mine.gin")).callbacks
    assert isinstance(remote, keras.callbacks.RemoteMonitor) and isinstance(nan, keras.callbacks.TerminateOnNaN)
    assert (type(beep).__name__, beep.times) == ("Beep", 3)
