"""From a recording to sorted k-space: 16 slices of 320 lines, 256 samples, 16 coils (168 MB)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import ismrmrd
import numpy as np
import numpy.typing as npt

from benchmarks.registry import Peers, benchmark
from gateway.model.header import ScanHeader
from gateway.model.readout import Readouts
from gateway.model.zyx import Zyx
from gateway.mrd.header import parse_header, write_header
from gateway.mrd.stream import RecordedSession, read_session, write_session
from gateway.recon.convention import in_our_convention
from gateway.recon.kspace import sort_cartesian
from gateway.recon.phantom import PhantomScan, head_phantom

N_SLICES, N_LINES, N_COILS = 16, 320, 16


@benchmark
def sorting() -> Iterator[Peers]:
    """Read and sort our recording, also a Siemens one, whose sign is changed; beside the `ismrmrd` package and HDF5."""
    with tempfile.TemporaryDirectory() as name:
        ours, siemens, theirs = (Path(name) / each for each in ("scan.mrd", "siemens.mrd", "scan.h5"))
        run, header = _scan()
        _record(ours, run, header)
        _record(siemens, run, replace(header, system=replace(header.system, vendor="SIEMENS")))
        _write_h5(theirs, run, header)
        wanted = _sorted(ours)
        np.testing.assert_array_equal(np.concatenate(wanted), _by_package(theirs))
        np.testing.assert_array_equal(np.concatenate(_sorted(siemens)), np.conj(np.concatenate(wanted)))
        del wanted
        yield {
            "gateway": lambda: _sorted(ours),
            "gateway, Siemens": lambda: _sorted(siemens),
            "ismrmrd package": lambda: _by_package(theirs),
        }


def _scan() -> tuple[Readouts, ScanHeader]:
    """Scan one slice of the head, and take it for every slice."""
    scan = PhantomScan(n_slices=1, n_coils=N_COILS, matrix=Zyx(z=1, y=N_LINES, x=128), seed=1)
    (run,), header = head_phantom(scan)
    heads = np.tile(run.heads, N_SLICES)
    heads["idx"]["slice"] = np.repeat(np.arange(N_SLICES), N_LINES)
    heads["position"][:, 2] = 6.0 * heads["idx"]["slice"]
    samples = np.tile(run.samples, (N_SLICES, 1, 1))
    limits = {name: limit for name, limit in header.encodings[0].limits.items() if name != "slice"}
    whole = Readouts(heads, samples, np.zeros((len(heads), samples.shape[2], 0), np.float32))
    return whole, replace(header, encodings=(replace(header.encodings[0], limits=limits),))


def _record(path: Path, run: Readouts, header: ScanHeader) -> None:
    session = RecordedSession(header_xml=write_header(header), recipe_asked="", acquisition=(run,))
    with path.open("wb") as file:
        file.writelines(write_session(session))


def _sorted(path: Path) -> list[npt.NDArray[np.complex64]]:
    session = read_session(path)
    header = parse_header(session.header_xml)
    sorter = sort_cartesian(in_our_convention(session.acquisition, header), header, recipe="fft")
    return [batch.samples.numpy() for batch in sorter.batches()]


def _write_h5(path: Path, run: Readouts, header: ScanHeader) -> None:
    with ismrmrd.Dataset(str(path), create_if_needed=True) as dataset:
        dataset.write_xml_header(write_header(header))
        for head, samples in zip(run.heads, run.samples, strict=True):
            acquisition = ismrmrd.Acquisition.from_array(samples)
            for field in ("kspace_encode_step_1", "slice"):
                setattr(acquisition.idx, field, int(head["idx"][field]))
            dataset.append_acquisition(acquisition)


def _by_package(path: Path) -> npt.NDArray[np.complex64]:
    """Do as the servers do that use the package: take one readout after the other."""
    kspace = np.zeros((N_SLICES, N_COILS, 1, N_LINES, 256), np.complex64)
    with ismrmrd.Dataset(str(path), create_if_needed=False) as dataset:
        for number in range(dataset.number_of_acquisitions()):
            acquisition = dataset.read_acquisition(number)
            kspace[acquisition.idx.slice, :, 0, acquisition.idx.kspace_encode_step_1] = acquisition.data
    return kspace
