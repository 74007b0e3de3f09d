"""`python scripts/distill.py` is `dfkd distill`."""

from dfkd_command import main

if __name__ == "__main__":
    main("distill")
