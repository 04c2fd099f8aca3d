"""Scans in files: ISMRMRD's HDF5 layout, and recordings of the stream itself."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from ismrmrd.hdf5 import waveform_header_dtype

from gateway.model.errors import BadStream, UnreadableFile
from gateway.model.readout import ACQUISITION_HEADER, Readouts
from gateway.mrd.framing import MessageId
from gateway.mrd.stream import RecordedSession, read_session, write_session

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
PIECE_BYTES = 1 << 20

STREAM_STARTS = (MessageId.CONFIG_FILE, MessageId.CONFIG_TEXT, MessageId.HEADER)


def read_scan(path: Path) -> RecordedSession:
    """Read a scan from an ISMRMRD ``.h5`` file or from a recording of the MRD stream.

    Raises
    ------
    UnreadableFile
        It is neither, it is damaged, or there is no readout with a sample in it.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(HDF5_MAGIC))
    except OSError as error:
        raise UnreadableFile(path, error.strerror or str(error)) from error
    if magic == HDF5_MAGIC:
        scan = _read_h5(path)
    elif int.from_bytes(magic[:2], "little") in STREAM_STARTS:
        try:
            scan = read_session(path)
        except BadStream as error:
            raise UnreadableFile(path, f"the recording is damaged: {error}") from error
    else:
        raise UnreadableFile(path, "is neither an ISMRMRD .h5 file nor a recording of an MRD stream")
    return _with_samples(path, scan)


def stream_of(path: Path, recipe: str = "") -> tuple[RecordedSession, Iterator[bytes]]:
    """Read a scan and say how it goes over the wire: a recording as it is, unless another recipe is asked for.

    Raises
    ------
    UnreadableFile
        As for `read_scan`.
    """
    scan = read_scan(path)
    with path.open("rb") as file:
        recorded = file.read(len(HDF5_MAGIC)) != HDF5_MAGIC
    if recorded and recipe in ("", scan.recipe_asked):
        return scan, _pieces(path)
    return scan, write_session(scan, recipe=recipe)


def n_bytes_of(scan: RecordedSession) -> int:
    """Say about how much goes over the wire, for a progress bar."""
    return len(scan.header_xml) + sum(
        run.heads.nbytes + run.samples.nbytes + run.trajectory.nbytes for run in scan.acquisition
    )


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _with_samples(path: Path, scan: RecordedSession) -> RecordedSession:
    if not scan.acquisition:
        raise UnreadableFile(path, "holds no acquisitions")
    if not any(run.samples.size for run in scan.acquisition):
        n = sum(len(run) for run in scan.acquisition)
        raise UnreadableFile(path, f"holds {n} acquisitions, and none of them has a sample")
    return scan


def _read_h5(path: Path) -> RecordedSession:
    try:
        with h5py.File(path, "r") as file:
            group = _measurement(path, file)
            xml = group["xml"][0]
            records = group["data"][:]
            waveforms = list(_waveforms(group["waveforms"][:])) if "waveforms" in group else []
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise UnreadableFile(path, f"the HDF5 file is damaged: {error}") from error
    return RecordedSession(
        header_xml=xml if isinstance(xml, bytes) else str(xml).encode(),
        recipe_asked="",
        acquisition=tuple(_runs(path, records)),
        waveforms=tuple(waveforms),
    )


def _measurement(path: Path, file: h5py.File) -> h5py.Group:
    groups = [group for group in file.values() if isinstance(group, h5py.Group)]
    for group in groups:
        if "xml" in group and "data" in group:
            if {"head", "data", "traj"} <= set(group["data"].dtype.names or ()):
                return group
            raise UnreadableFile(path, f"{group.name}/data does not hold ISMRMRD acquisitions")
    headers = [group for group in groups if "xml" in group]
    if any(isinstance(member, h5py.Group) for group in headers for member in group.values()):
        raise UnreadableFile(path, "is an ISMRMRD file of images, without raw data")
    if headers:
        raise UnreadableFile(path, "holds no acquisitions")
    raise UnreadableFile(path, "is an HDF5 file, but not an ISMRMRD one: no group has both 'xml' and 'data'")


def _waveforms(records: npt.NDArray[Any]) -> Iterator[bytes]:
    """Turn waveforms into the bodies of WAVEFORM messages."""
    for head, samples in zip(records["head"], records["data"], strict=True):
        wire = np.zeros(1, waveform_header_dtype)
        for name in waveform_header_dtype.names or ():
            wire[name] = head[name]
        yield wire.tobytes() + np.ascontiguousarray(samples, "<u4").tobytes()


def _runs(path: Path, records: npt.NDArray[Any]) -> Iterator[Readouts]:
    heads = np.zeros(len(records), ACQUISITION_HEADER)
    for name in ACQUISITION_HEADER.names or ():
        heads[name] = records["head"][name]
    shapes = zip(
        heads["active_channels"].tolist(),
        heads["number_of_samples"].tolist(),
        heads["trajectory_dimensions"].tolist(),
        strict=True,
    )
    first = 0
    for (channels, samples, dimensions), alike in groupby(shapes):
        n = sum(1 for _ in alike)
        part = slice(first, first + n)
        yield Readouts(
            heads[part],
            _stack(path, records["data"][part], (channels, 2 * samples), first).view(np.complex64),
            _stack(path, records["traj"][part], (samples, dimensions), first),
        )
        first += n


def _stack(path: Path, ragged: npt.NDArray[Any], shape: tuple[int, int], first: int) -> npt.NDArray[np.float32]:
    """Stack arrays of one length. Shape `(readout *shape)`."""
    for number, values in enumerate(ragged, first):
        if values.size != shape[0] * shape[1]:
            why = f"acquisition {number} announces {shape[0]} x {shape[1]} values and holds {values.size}"
            raise UnreadableFile(path, why)
    stacked = np.empty((len(ragged), *shape), np.float32)
    for number, values in enumerate(ragged):
        stacked[number] = values.reshape(shape)
    return stacked
