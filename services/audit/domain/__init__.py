"""What audit decides itself: that a person read personal data."""
