"""The local span store: where every process of a stack sends its spans unless told otherwise."""
