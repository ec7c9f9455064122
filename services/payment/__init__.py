"""Payment: who may claim, whether they claimed before, how much, who checked it, and that it arrived once."""
