"""Noise that was measured before a scan: by the measurement that it names, or kept by the site as a file."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from gateway.jobs.noise import NoiseStore
from gateway.model.errors import GatewayError
from gateway.model.header import ScanHeader
from gateway.model.noise import NoiseCovariance
from gateway.mrd.files import read_scan
from gateway.mrd.header import parse_header
from gateway.recon.noise import measure_noise

logger = logging.getLogger(__name__)


def known_noise(header: ScanHeader, store: NoiseStore, folder: Path | None) -> tuple[NoiseCovariance | None, str]:
    """Find the noise measurement that a scan names, else one that the site keeps, and say what became of that."""
    named = header.measurement.dependencies.get("Noise")
    found = store.find(named) if named else None
    kept = site_noise(folder, header) if found is None else None
    told = [f"measurement {named} {'is at hand' if found else 'is not at hand'}"] if named else []
    told += [f"the site's {kept.measurement_id} has these coils"] if kept else []
    return found or kept, "; ".join(told)


def site_noise(folder: Path | None, header: ScanHeader) -> NoiseCovariance | None:
    """Find the first file, by name, whose noise readouts were measured with all coils of a scan; None without.

    Coils are told by their names, so a scan without names, or of a coil that was never measured, gets none. A file that
    cannot be read is named in the log and passed over: it must not stop a scan that does not need it.
    """
    wanted = set(header.system.coil_names.values())
    if folder is None or not wanted:
        return None
    for path in sorted(each for each in folder.glob("*") if each.is_file()):
        try:
            scan = read_scan(path)
            theirs = parse_header(scan.header_xml)
            measured = wanted <= set(theirs.system.coil_names.values())
            found = measure_noise(scan.acquisition, theirs) if measured else None
        except GatewayError as fault:
            logger.warning("noise file cannot be used", extra={"file": path.name, "fault": str(fault)})
            continue
        if found is not None:
            return replace(found, measurement_id=path.name)
    return None
