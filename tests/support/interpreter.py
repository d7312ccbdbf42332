"""What tests need to know of the interpreter that runs them."""

import sys

HAS_GIL: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
