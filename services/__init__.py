"""The four sibling services. None imports another."""
