"""The families of cases by name: modules with a function `case(rng, folder)` and their share of all cases."""

from tests.fuzz import answers, arguments, arrays, bindings, gin_files, images, run_folders, teacher_files

FAMILIES = {
    module.__name__.rsplit(".", 1)[-1]: module
    for module in (arrays, images, teacher_files, gin_files, bindings, answers, run_folders, arguments)
}


def shares(count, names):
    """Returns how many of so many cases each family gets."""
    total = sum(FAMILIES[name].SHARE for name in names)
    return {name: max(1, round(count * FAMILIES[name].SHARE / total)) for name in names}
