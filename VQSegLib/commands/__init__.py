"""The subcommands of the command line, one file per group."""
