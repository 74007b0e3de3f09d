"""`python scripts/inspect_teacher.py` is `dfkd inspect`."""

from dfkd_command import main

if __name__ == "__main__":
    main("inspect")
