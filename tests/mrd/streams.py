"""Sessions as an independent writer makes them: the `ismrmrd` package, and bytes by hand."""

from __future__ import annotations

import io
import struct

import ismrmrd
import numpy as np
from ismrmrd.serialization import ConfigFile, ProtocolSerializer

HEADER = b"""<?xml version="1.0"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
 <measurementInformation><measurementID>M1</measurementID><patientPosition>HFS</patientPosition></measurementInformation>
 <experimentalConditions><H1resonanceFrequency_Hz>63500000</H1resonanceFrequency_Hz></experimentalConditions>
 <encoding>
  <encodedSpace><matrixSize><x>8</x><y>4</y><z>1</z></matrixSize>
   <fieldOfView_mm><x>200</x><y>100</y><z>5</z></fieldOfView_mm></encodedSpace>
  <reconSpace><matrixSize><x>4</x><y>4</y><z>1</z></matrixSize>
   <fieldOfView_mm><x>100</x><y>100</y><z>5</z></fieldOfView_mm></reconSpace>
  <encodingLimits/>
  <trajectory>cartesian</trajectory>
 </encoding>
</ismrmrdHeader>"""

CLOSE = struct.pack("<H", 4)


def acquisition(line: int, *, samples: int = 8, channels: int = 2, dimensions: int = 0) -> ismrmrd.Acquisition:
    """One readout with numbers that say which it is."""
    random = np.random.default_rng(line)
    data = random.normal(size=(channels, samples, 2)).astype(np.float32).view(np.complex64)[..., 0]
    trajectory = random.normal(size=(samples, dimensions)).astype(np.float32)
    one = ismrmrd.Acquisition.from_array(data, trajectory if dimensions else None)
    one.idx.kspace_encode_step_1 = line
    one.scan_counter = line
    one.center_sample = samples // 2
    return one


def serialized(*items: object, config: str | None = "default", header: bytes | None = HEADER) -> bytes:
    """A session by ProtocolSerializer, up to and with its CLOSE."""
    stream = io.BytesIO()
    serializer = ProtocolSerializer(stream)
    if config is not None:
        serializer.serialize(ConfigFile(config))
    if header is not None:
        serializer.serialize(ismrmrd.xsd.CreateFromDocument(header))
    for item in items:
        serializer.serialize(item)
    serializer.close()
    return stream.getvalue()
