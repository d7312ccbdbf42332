"""Objects that are pickled by value whatever pickler is used."""

import pickle

from loky import get_reusable_executor, set_loky_pickler, wrap_non_picklable_objects
from loky.cloudpickle_wrapper import CallableObjectWrapper, CloudpickledObjectWrapper


def make():
    """Return a function and a class that cannot be imported."""

    class Inner:
        """Has a method, an attribute, and a call."""

        def __init__(self, value):
            self.value = value

        def doubled(self):
            """Return a number."""
            return 2 * self.value

        def __call__(self, more):
            """Return a sum."""
            return self.value + more

    return (lambda value: value + 1), Inner


@wrap_non_picklable_objects
def decorated(value):
    """Lives in the main module."""
    return -value


if __name__ == "__main__":
    function, inner = make()
    wrapped = wrap_non_picklable_objects(function)
    copy = pickle.loads(pickle.dumps(wrapped))
    print(wrapped(1), copy(2), type(copy).__name__ == type(wrapped).__name__)
    bare = pickle.loads(pickle.dumps(wrap_non_picklable_objects(function, keep_wrapper=False)))
    print(bare(3), type(bare).__name__)
    one = wrap_non_picklable_objects(inner(4))
    print(one.value, one.doubled(), one(5), pickle.loads(pickle.dumps(one)).doubled())
    kind = wrap_non_picklable_objects(inner)
    two = kind(6)
    print(kind.__name__, two.doubled(), pickle.loads(pickle.dumps(two)).value)
    print(hasattr(two, "absent"), callable(one), callable(wrap_non_picklable_objects([1])))
    print(pickle.loads(pickle.dumps(CallableObjectWrapper(function)))(7))
    print(pickle.loads(pickle.dumps(CloudpickledObjectWrapper(obj=[function])))[0](8))
    set_loky_pickler("pickle")
    executor = get_reusable_executor(max_workers=1)
    print(executor.submit(decorated, 9).result(), executor.submit(wrapped, 10).result())
    error = executor.submit(function, 11).exception()
    print(isinstance(error, Exception))
