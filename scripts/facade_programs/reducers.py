"""Reducers, picklers and exit codes."""

from loky import ProcessPoolExecutor, set_loky_pickler
from loky.backend.reduction import dumps, get_loky_pickler_name, loads, register
from loky.backend.utils import get_exitcodes_terminated_worker


class Marked:
    """Has a reducer."""

    def __init__(self, text):
        self.text = text


def reduce_marked(marked):
    """Mark it on its way."""
    return Marked, (marked.text + " reduced",)


class Ended:
    """What a finished process looks like."""

    def __init__(self, exitcode):
        self.exitcode = exitcode


if __name__ == "__main__":
    with ProcessPoolExecutor(
        1, job_reducers={Marked: reduce_marked}, result_reducers={Marked: reduce_marked}
    ) as executor:
        print(executor.submit(lambda marked: marked.text, Marked("job")).result())
        print(executor.submit(lambda: Marked("result")).result().text)
    register(Marked, reduce_marked)
    print(loads(dumps(Marked("registered"))).text, loads(dumps(lambda: 3))())
    print(get_loky_pickler_name())
    set_loky_pickler("pickle")
    print(get_loky_pickler_name())
    set_loky_pickler()
    print(get_loky_pickler_name())
    print(get_exitcodes_terminated_worker({1: Ended(None), 2: Ended(-9)}))
