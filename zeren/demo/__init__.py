"""The demo: institutions' signed files become paid, ledgered money, and everything is compared with the truth."""
