"""`loky.initializers`: no public name; the executor itself sets up tracing."""
