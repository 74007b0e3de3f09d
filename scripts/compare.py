"""`python scripts/compare.py` is `dfkd compare`."""

from dfkd_command import main

if __name__ == "__main__":
    main("compare")
