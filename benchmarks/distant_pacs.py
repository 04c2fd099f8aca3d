"""A PACS behind a slow line or disk: each answer takes a while. ``python -m benchmarks.distant_pacs SECONDS``."""

from __future__ import annotations

import sys
import time

from pydicom.uid import MRImageStorage

from gateway.dicom.association import VERIFICATION
from gateway.dicom.command import Field
from gateway.dicom.service import DicomService
from gateway.dicom.session import Answer, Gate, Handlers, Heard, ServiceLimits, answer_echo

LIMITS = ServiceLimits(associations=16, associations_per_address=16, message_bytes=1 << 26)


def main(delay_s: float) -> None:
    """Listen until standard input ends; the port is printed."""

    def keep_nothing(_heard: Heard) -> Answer:
        time.sleep(delay_s)
        return Answer(0)

    handlers: Handlers = {(VERIFICATION, Field.C_ECHO): answer_echo, (str(MRImageStorage), Field.C_STORE): keep_nothing}
    with DicomService(("127.0.0.1", 0), Gate(ae_title="PACS", callers=None), handlers, LIMITS) as service:
        print(service.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(float(sys.argv[1]))
