"""`.keras` files, which are zip archives, by Keras 3 and by Keras 2."""

import json
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import keras

from dfkd_keras.models.loading.architecture import is_legacy, modernized
from dfkd_keras.models.loading.file_format import suffixed
from dfkd_keras.models.loading.weight_limit import weight_limit
from dfkd_keras.utils.errors import InvalidInputError

CONFIG, METADATA = "config.json", "metadata.json"
LARGEST_EXPANSION = 100  # of an archive that is compressed
MEMBERS_WITHOUT_ASSETS = 3
SMALL_BYTES = 2**26  # what any archive may expand to


def load_keras_archive(path: Path, safe_mode: bool, custom_objects: Mapping[str, Any]) -> keras.Model:
    """Loads a `.keras` file, or the folder with the same content.

    Args:
        path: Path. The file, whatever its suffix, or the folder.
        safe_mode: Boolean. Whether to refuse code inside the file.
        custom_objects: Mapping. The user's own classes and functions by their names.

    Raises:
        InvalidInputError: If the archive could write outside a folder or fill the memory, or if Keras 2 wrote it and
            Keras 3 has nothing that does the same.
    """
    options = {"custom_objects": dict(custom_objects), "compile": False, "safe_mode": safe_mode}
    if path.is_dir():
        with weight_limit(sum(file.stat().st_size for file in path.rglob("*"))):
            return keras.saving.load_model(path, **options)
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
        size = _checked_size(archive, path.stat().st_size)
        config = json.loads(archive.read(CONFIG))
        legacy = is_legacy(config, _version(archive))
        with weight_limit(size):
            if not legacy and len(archive.namelist()) <= MEMBERS_WITHOUT_ASSETS:
                with suffixed(path, ".keras") as named:
                    return keras.saving.load_model(named, **options)
            # Where it cannot unpack assets, Keras would leave the others behind.
            archive.extractall(folder)
            if legacy:
                Path(folder, CONFIG).write_text(json.dumps(modernized(config, custom_objects)), encoding="utf-8")
            return keras.saving.load_model(folder, **options)


def _checked_size(archive: zipfile.ZipFile, stored_bytes: int) -> int:
    """Returns the size of what is in an archive, after a check that it does no harm."""
    size = sum(member.file_size for member in archive.infolist())
    if size > max(SMALL_BYTES, LARGEST_EXPANSION * stored_bytes):
        raise InvalidInputError(f"declares {size:,} bytes and stores {stored_bytes:,}: it is damaged or hostile.")
    for member in archive.infolist():
        place = PurePosixPath(member.filename.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts:
            raise InvalidInputError(f"has a member {member.filename!r}, which lies outside the archive: it is hostile.")
    return size


def _version(archive: zipfile.ZipFile) -> str | None:
    if METADATA not in archive.namelist():
        return None
    return json.loads(archive.read(METADATA)).get("keras_version")
