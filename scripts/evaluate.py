"""`python scripts/evaluate.py` is `dfkd evaluate`."""

from dfkd_command import main

if __name__ == "__main__":
    main("evaluate")
