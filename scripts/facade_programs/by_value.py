"""Lambdas, closures, and classes of the main module."""

import functools

from loky import get_reusable_executor, wrap_non_picklable_objects


class Point:
    """Lives in the main module, which no worker imports."""

    def __init__(self, x):
        self.x = x

    def doubled(self):
        """Return another point."""
        return Point(2 * self.x)


def adder(step):
    """Return a closure."""
    return lambda value: value + step


if __name__ == "__main__":
    executor = get_reusable_executor(max_workers=2)
    print(executor.submit(lambda value: value * 3, 4).result())
    print(list(executor.map(adder(10), range(3))))
    print(executor.submit(Point.doubled, Point(21)).result().x)
    print(executor.submit(Point(4).doubled).result().x)
    print(executor.submit(functools.partial(adder(1), 41)).result())
    print(executor.submit(wrap_non_picklable_objects(lambda: "wrapped")).result())
