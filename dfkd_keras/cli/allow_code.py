"""The flag of subcommands that read files which may hold code."""

from absl import flags

flags.DEFINE_boolean("allow_code", False, "Run code inside files, such as a Lambda layer's; only if you trust them.")
