"""What the provider says of itself, kept for a while: its addresses and its keys; so is that it did not answer."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any

from gateway.model.errors import NotVouched

KEEP_S = 3_600.0
REST_S = 10.0
"""So long after an answer, or none, nobody is asked again: who is not signed in must not make us busy."""


class Kept:
    """One answer, asked for by one thread at a time."""

    def __init__(self, ask: Callable[[], dict[str, Any]], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._asking = threading.Lock()
        self._answer: dict[str, Any] | None = None
        self._fault: NotVouched | None = None
        self._asked_at = -math.inf

    def __call__(self) -> dict[str, Any]:
        """Give the answer, asked for anew where it is old.

        Raises
        ------
        NotVouched
            There is none.
        """
        return self._given(KEEP_S)

    def fresh(self) -> dict[str, Any]:
        """Give the answer of now; of a moment ago, where that is all there is.

        Raises
        ------
        NotVouched
            There is none.
        """
        return self._given(REST_S)

    def _given(self, keep_s: float) -> dict[str, Any]:
        with self._asking:
            age_s = self._monotonic() - self._asked_at
            if age_s > (keep_s if self._fault is None else REST_S):
                self._renew()
            if self._fault is not None:
                raise self._fault
            assert self._answer is not None, "there is an answer or a fault"  # noqa: S101
            return self._answer

    def _renew(self) -> None:
        try:
            self._answer, self._fault = self._ask(), None
        except NotVouched as fault:
            self._fault = fault
        self._asked_at = self._monotonic()
