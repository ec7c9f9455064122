"""What must come of the generated input, worked out from the files alone by a plain model of the rules."""
