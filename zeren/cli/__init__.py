"""The command line: one module a group of commands, loaded when a command of it is called."""
