"""The parts of the dock: widgets that show and ask, with dumb setters and signals, and decide nothing."""
