"""`python scripts/invert.py` is `dfkd invert`."""

from dfkd_command import main

if __name__ == "__main__":
    main("invert")
