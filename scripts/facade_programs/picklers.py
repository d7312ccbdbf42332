"""Choosing a pickler, by call and by environment."""

import io
import os
import subprocess
import sys

from loky import set_loky_pickler
from loky.backend.reduction import dump, dumps, get_loky_pickler, get_loky_pickler_name, loads

ASK = (
    "from loky.backend.reduction import get_loky_pickler_name as name; "
    "print(name()); from loky import set_loky_pickler as choose; choose('cloudpickle'); "
    "print(name()); choose(); print(name())"
)

if __name__ == "__main__":
    print(get_loky_pickler_name(), isinstance(get_loky_pickler(), type))
    try:
        set_loky_pickler("no_such_module")
    except ImportError as error:
        print("ImportError", "no_such_module" in str(error))
    print(get_loky_pickler_name())
    set_loky_pickler("pickle")
    set_loky_pickler("pickle")
    try:
        dumps(lambda: 0)
    except Exception:  # noqa: BLE001 - each pickler has its own
        print("refused")
    print(bytes(dumps([1, 2])) == bytes(dumps([1, 2])), loads(dumps({"a": 1})))
    set_loky_pickler(None)
    print(get_loky_pickler_name(), loads(dumps(lambda: 5, reducers=None))())
    print(loads(bytes(dumps(3j, {complex: lambda value: (str, (value.imag,))}))))
    file = io.BytesIO()
    print(dump([1], file, reducers={}, protocol=2), loads(file.getvalue()))
    for choice in ("pickle", "", "cloudpickle"):
        environment = {**os.environ, "LOKY_PICKLER": choice}
        print(subprocess.check_output([sys.executable, "-c", ASK], env=environment, text=True))
