"""The command line: local stack, demo, an institution's client side and the simulators."""
