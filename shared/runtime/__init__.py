"""The runtime: one way in which every service is put together and run."""
