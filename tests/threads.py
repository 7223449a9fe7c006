"""Acts at the same moment."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

Given = TypeVar("Given")
Made = TypeVar("Made")


def at_once(act: Callable[[Given], Made], each: Iterable[Given]) -> list[Made]:
    """What the act makes of each, in order; all begin together, each in a thread of its own.

    A thread's connections to the database are closed behind it. What one raises is raised here
    once all have ended. The test needs `django_db(transaction=True)`, or threads see no rows.
    """
    each = list(each)
    together = threading.Barrier(len(each))

    def begin(one: Given) -> Made:
        together.wait()
        try:
            return act(one)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(each)) as pool:
        acts = [pool.submit(begin, one) for one in each]
    return [one.result() for one in acts]
