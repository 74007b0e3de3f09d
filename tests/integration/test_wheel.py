"""What pip installs is complete."""

import subprocess
import sys
import zipfile

from tests.commandline import ROOT


def test_the_wheel_holds_every_module_and_gin_file(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT], check=True, capture_output=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "dfkd_keras").rglob("*.py")}
    configurations = {f"dfkd_keras/{path.relative_to(ROOT)}" for path in (ROOT / "gin_configs").rglob("*.gin")}
    assert modules <= names
    assert configurations and configurations <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
