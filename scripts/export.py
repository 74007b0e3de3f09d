"""`python scripts/export.py` is `dfkd export`."""

from dfkd_command import main

if __name__ == "__main__":
    main("export")
