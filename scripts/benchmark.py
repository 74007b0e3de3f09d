"""`python scripts/benchmark.py` is `dfkd benchmark`."""

from dfkd_command import main

if __name__ == "__main__":
    main("benchmark")
