"""`python scripts/train.py` is `dfkd train`."""

from dfkd_command import main

if __name__ == "__main__":
    main("train")
