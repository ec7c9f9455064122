"""The business date: it moves by facts alone."""
