"""`python scripts/export_arrays.py` is `dfkd export-arrays`."""

from dfkd_command import main

if __name__ == "__main__":
    main("export-arrays")
