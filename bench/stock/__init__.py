"""The same path built wholly of stock parts: what the libraries' own documentation shows, with their defaults."""
