"""A task that says what its worker has imported."""

import sys


def loaded_modules() -> list[str]:
    """Return the names of all modules of this process, sorted."""
    return sorted(sys.modules)
