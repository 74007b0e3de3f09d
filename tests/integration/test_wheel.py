"""What pip installs is complete, and its command runs outside of a checkout."""

import subprocess
import sys
import sysconfig
import zipfile

import pytest

from tests.commandline import ROOT, environment


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT], check=True, capture_output=True
    )
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_every_module_and_gin_file(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "dfkd_keras").rglob("*.py")}
    configurations = {f"dfkd_keras/{path.relative_to(ROOT)}" for path in (ROOT / "gin_configs").rglob("*.gin")}
    assert modules | {"dfkd_command.py"} <= names
    assert configurations and configurations <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_command_of_the_wheel_finds_its_gin_files(wheel, tmp_path):
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed"]
    subprocess.run([*install, f"--prefix={tmp_path}", wheel], check=True)
    paths = sysconfig.get_paths(vars={"base": str(tmp_path), "platbase": str(tmp_path)})
    variables = environment(PYTHONPATH=paths["purelib"])

    def dfkd(*arguments):
        command = [f"{paths['scripts']}/dfkd", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)

    overview = dfkd()
    assert overview.returncode == 0 and "\n  train " in overview.stdout, overview.stderr
    missing = dfkd("train", "--gin_file=nowhere.gin")
    assert "does not exist; there are: " in missing.stderr and "rdskd.gin" in missing.stderr
    dry = dfkd("train", "--gin_file=rdskd.gin", "--gin_file=smoke.gin", "--dry_run")
    assert dry.returncode == 0, dry.stderr
