"""The subcommands of `dfkd`, one module each: absl flags, a docstring that is its help, and a function `run`."""
