"""`loky.initializers`: it has no public name; tracing in workers is set up by the executor itself."""
