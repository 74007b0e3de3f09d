"""`python scripts/train_teacher.py` is `dfkd train-teacher`."""

from dfkd_command import main

if __name__ == "__main__":
    main("train-teacher")
