"""What tests are written in."""
