"""submit, map, wait and as_completed."""

import operator

from loky import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    as_completed,
    get_reusable_executor,
    wait,
)

if __name__ == "__main__":
    executor = get_reusable_executor(max_workers=2, timeout=5)
    print(executor.submit(pow, 2, 10).result())
    print(list(executor.map(operator.add, range(5), range(10, 20))))
    print(list(executor.map(abs, range(-7, 0), chunksize=3)))
    futures = [executor.submit(abs, -number) for number in range(5)]
    print(sorted(future.result() for future in as_completed(futures)))
    done, not_done = wait(futures, return_when=ALL_COMPLETED)
    print(len(done), len(not_done), FIRST_COMPLETED, FIRST_EXCEPTION)
    print(futures[0].done(), futures[0].running(), futures[0].cancelled(), futures[0].cancel())
