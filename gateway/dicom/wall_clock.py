"""Which offset from UTC the clocks of the site had while a scan was measured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from gateway.dicom import values
from gateway.model.header import ScanHeader

A_MINUTE = timedelta(minutes=1)


def as_clocks_stood(received_at: datetime, header: ScanHeader) -> datetime:
    """Express when a scan came by the clock that hung on the wall while it was measured.

    An object has one offset for all of its dates and times (Timezone Offset From UTC, PS3.3 C.12.1), and those of the
    scanner say none. The offset of the moment at which the scan came is another one where the clocks were changed in
    between: in the night itself, or where a scan of the summer is reconstructed in winter.
    """
    wall = _begun(header)
    if wall is None:
        return received_at.astimezone()
    try:
        begun = [wall.replace(fold=fold).astimezone() for fold in (0, 1)]
    except (OverflowError, ValueError, OSError):  # a year that no clock of a machine knows
        return received_at.astimezone()
    before = [moment for moment in begun if moment <= received_at]
    ahead = wall.replace(tzinfo=UTC) - max(before, default=min(begun))
    return received_at.astimezone(None if ahead % A_MINUTE else timezone(ahead))  # zones of long ago have seconds


def _begun(header: ScanHeader) -> datetime | None:
    """Read when the series began, else the study, by the scanner's clock; a day without a time is its noon."""
    for day, time in (
        (header.measurement.series_date, header.measurement.series_time),
        (header.study.date, header.study.time),
    ):
        if (date := values.calendar_date(day)) is not None:
            clock = (values.time_of_day(time) or "120000")[:6]
            return datetime.strptime(date + clock, "%Y%m%d%H%M%S")  # noqa: DTZ007 - its zone is what is looked for
    return None
