"""The MRD XML header, read tolerantly and safely, and written back.

Tolerant: namespaces, unknown elements, missing optional fields and malformed optional values do not stop a scan; the
last are named in ``ScanHeader.faults``. Safe: no document type, no entities, no NUL, bounded depth. Call it in a
worker, never in the listener.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from xml.etree.ElementTree import Element, ParseError, SubElement, indent, register_namespace, tostring

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from gateway.model import header as h
from gateway.model.errors import BadHeader
from gateway.model.zyx import Zyx
from gateway.mrd.header_paths import (
    DIFFUSION,
    ENCODING_LIMITS,
    FIELDS,
    ROOT,
    TRAJECTORY_DESCRIPTION,
    XMLNS,
    b_value,
    diffusion_dimension,
    number,
)

MAX_DEPTH = 32
MAX_MATRIX = 65_535
MAX_FOV_MM = 100_000

T = TypeVar("T")


def parse_header(xml: bytes) -> h.ScanHeader:
    """Read a header.

    Raises
    ------
    BadHeader
        It is not XML, holds what a header must not hold, or lacks an encoding.
    """
    return _Reader(_root(xml.rstrip(b"\0"))).read()


def _root(xml: bytes) -> Element:
    if b"\0" in xml:
        raise BadHeader("the header has a NUL inside")
    try:
        root: Element = fromstring(xml, forbid_dtd=True)
    except DefusedXmlException:
        raise BadHeader("the header has a document type or entities, which a header must not have") from None
    except (ParseError, LookupError, ValueError, RecursionError) as error:
        raise BadHeader(f"the header is not well-formed XML: {error}") from None
    if _depth(root) > MAX_DEPTH:
        raise BadHeader(f"the header is nested deeper than {MAX_DEPTH} levels")
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    if root.tag != ROOT:
        raise BadHeader(f"the header's root element is {root.tag!r}, not {ROOT!r}")
    return root


def _depth(root: Element) -> int:
    depth, level = 0, [root]
    while level:
        depth, level = depth + 1, [child for element in level for child in element]
    return depth


class _Reader:
    def __init__(self, root: Element) -> None:
        self.root = root
        self.faults: list[str] = []

    def read(self) -> h.ScanHeader:
        encodings = self.root.findall("encoding")
        if not encodings:
            raise BadHeader("the header has no encoding")
        return h.ScanHeader(
            encodings=tuple(self.encoding(element, i) for i, element in enumerate(encodings)),
            subject=h.Subject(**self.section("subject")),
            study=h.Study(**self.section("study")),
            measurement=h.Measurement(**self.section("measurement"), dependencies=self.dependencies()),
            system=h.System(**self.section("system"), coil_names=self.coil_names()),
            sequence=h.Sequence(
                sequence_type=self.value(self.root, "sequenceParameters/sequence_type", str),
                repetition_time_ms=self.numbers("sequenceParameters/TR"),
                echo_time_ms=self.numbers("sequenceParameters/TE"),
                inversion_time_ms=self.numbers("sequenceParameters/TI"),
                flip_angle_deg=self.numbers("sequenceParameters/flipAngle_deg"),
                diffusion_dimension=self.value(self.root, f"{DIFFUSION}Dimension", diffusion_dimension),
                diffusion=self.diffusion(),
            ),
            user_parameters={
                name: element.findtext("value") or ""
                for element in self.root.findall("userParameters/*")
                if (name := element.findtext("name"))
            },
            faults=tuple(self.faults),
        )

    def section(self, name: str) -> dict[str, Any]:
        return {field: self.value(self.root, path, kind) for field, (path, kind) in FIELDS[name].items()}

    def value(self, parent: Element, path: str, kind: Callable[[str], T]) -> T | None:
        text = (parent.findtext(path) or "").strip()
        if not text:
            return None
        try:
            return kind(text)
        except ValueError:
            self.faults.append(f"{path} is not a readable {kind.__name__}")
            return None

    def numbers(self, path: str) -> tuple[float, ...]:
        try:
            return tuple(float(element.text or "") for element in self.root.findall(path))
        except ValueError:
            self.faults.append(f"{path} is not a readable number")
            return ()

    def diffusion(self) -> tuple[h.Diffusion, ...]:
        """Read the weightings; one that cannot be read makes all of them useless, as they are counted."""
        found = []
        for element in self.root.findall(DIFFUSION):
            strength = self.value(element, "bvalue", b_value)
            towards = [self.value(element, f"gradientDirection/{axis}", number) for axis in ("rl", "ap", "fh")]
            if strength is None or None in towards:
                self.faults.append(f"{DIFFUSION} has no readable b-value or direction")
                return ()
            rl, ap, fh = (component or 0.0 for component in towards)
            found.append(h.Diffusion(b_value_s_per_mm2=strength, direction=(rl, ap, fh)))
        return tuple(found)

    def dependencies(self) -> Mapping[str, str]:
        found = self.root.findall("measurementInformation/measurementDependency")
        return {e.findtext("dependencyType") or "": e.findtext("measurementID") or "" for e in found}

    def coil_names(self) -> Mapping[int, str]:
        labels = self.root.findall("acquisitionSystemInformation/coilLabel")
        numbers = [self.value(label, "coilNumber", int) for label in labels]
        return {n: label.findtext("coilName") or "" for n, label in zip(numbers, labels, strict=True) if n is not None}

    def encoding(self, element: Element, index: int) -> h.Encoding:
        return h.Encoding(
            trajectory=(element.findtext("trajectory") or "").strip().lower(),
            encoded=self.space(element, "encodedSpace", index),
            recon=self.space(element, "reconSpace", index),
            limits=self.limits(element),
            acceleration=Zyx(
                z=self.value(element, "parallelImaging/accelerationFactor/kspace_encoding_step_2", float) or 1.0,
                y=self.value(element, "parallelImaging/accelerationFactor/kspace_encoding_step_1", float) or 1.0,
                x=1.0,
            ),
            calibration_mode=self.value(element, "parallelImaging/calibrationMode", str),
            multiband_factor=self.value(element, "multiband/multiband_factor", int)
            or self.value(element, "parallelImaging/multiband/multiband_factor", int),
            echo_train_length=self.value(element, "echoTrainLength", int),
            trajectory_parameters=self.trajectory_parameters(element),
        )

    def trajectory_parameters(self, encoding: Element) -> dict[str, float]:
        found = {}
        for kind in ("userParameterLong", "userParameterDouble"):
            for element in encoding.findall(f"{TRAJECTORY_DESCRIPTION}/{kind}"):
                value = self.value(element, "value", number)
                if value is not None and (name := element.findtext("name")):
                    found[name] = value
        return found

    def space(self, encoding: Element, name: str, index: int) -> h.Space:
        where = f"encoding {index}, {name}"
        matrix = self.triple(encoding, f"{name}/matrixSize", int, where)
        fov = self.triple(encoding, f"{name}/fieldOfView_mm", float, where)
        if not all(1 <= n <= MAX_MATRIX for n in matrix.as_tuple()):
            raise BadHeader(f"{where}: a matrix of {matrix.x} x {matrix.y} x {matrix.z} is impossible")
        if not all(0 < mm < MAX_FOV_MM for mm in fov.as_tuple()):
            raise BadHeader(f"{where}: a field of view of {fov.x:g} x {fov.y:g} x {fov.z:g} mm is impossible")
        return h.Space(matrix=matrix, fov_mm=fov)

    def triple(self, encoding: Element, path: str, kind: Callable[[str], T], where: str) -> Zyx[T]:
        values = {axis: self.value(encoding, f"{path}/{axis}", kind) for axis in "xyz"}
        missing = [axis for axis, value in values.items() if value is None]
        if missing:
            raise BadHeader(f"{where}: {path.rpartition('/')[2]} has no readable {', '.join(missing)}")
        return Zyx(**{axis: value for axis, value in values.items() if value is not None})

    def limits(self, encoding: Element) -> dict[str, h.Limit]:
        limits = {}
        for name in ENCODING_LIMITS:
            path = f"encodingLimits/{name}"
            values = [self.value(encoding, f"{path}/{part}", int) for part in ("minimum", "maximum", "center")]
            minimum, maximum, center = values
            if maximum is not None:
                limits[name] = h.Limit(minimum=minimum or 0, maximum=maximum, center=center or 0)
        return limits


def write_header(header: h.ScanHeader) -> bytes:
    """Write a header so that `parse_header` gives it back; sources are phantoms and exports, not scanners."""
    register_namespace("", XMLNS)
    root = Element(f"{{{XMLNS}}}{ROOT}")
    for name, part in (
        ("subject", header.subject),
        ("study", header.study),
        ("measurement", header.measurement),
        ("system", header.system),
    ):
        for field, (path, _) in FIELDS[name].items():
            _put(root, path, getattr(part, field))
    for kind, measurement_id in header.measurement.dependencies.items():
        dependency = _add(_at(root, "measurementInformation"), "measurementDependency")
        _put(dependency, "dependencyType", kind)
        _put(dependency, "measurementID", measurement_id)
    for coil, name in header.system.coil_names.items():
        label = _add(_at(root, "acquisitionSystemInformation"), "coilLabel")
        _put(label, "coilNumber", coil)
        _put(label, "coilName", name)
    for encoding in header.encodings:
        _write_encoding(_add(root, "encoding"), encoding)
    _write_sequence(root, header.sequence)
    for name, value in header.user_parameters.items():
        parameter = _add(_at(root, "userParameters"), "userParameterString")
        _put(parameter, "name", name)
        _put(parameter, "value", value)
    indent(root)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root)


def _write_encoding(element: Element, encoding: h.Encoding) -> None:
    for name, space in (("encodedSpace", encoding.encoded), ("reconSpace", encoding.recon)):
        for axis in "xyz":
            _put(element, f"{name}/matrixSize/{axis}", getattr(space.matrix, axis))
        for axis in "xyz":
            _put(element, f"{name}/fieldOfView_mm/{axis}", getattr(space.fov_mm, axis))
    _at(element, "encodingLimits")
    for name, limit in encoding.limits.items():
        for part in ("minimum", "maximum", "center"):
            _put(element, f"encodingLimits/{name}/{part}", getattr(limit, part))
    _put(element, "trajectory", encoding.trajectory)
    for number_name, value in encoding.trajectory_parameters.items():
        _put(element, f"{TRAJECTORY_DESCRIPTION}/identifier", encoding.trajectory)
        parameter = _add(_at(element, TRAJECTORY_DESCRIPTION), "userParameterDouble")
        _put(parameter, "name", number_name)
        _put(parameter, "value", value)
    if encoding.acceleration != Zyx(z=1.0, y=1.0, x=1.0) or encoding.calibration_mode is not None:
        _put(element, "parallelImaging/accelerationFactor/kspace_encoding_step_1", round(encoding.acceleration.y))
        _put(element, "parallelImaging/accelerationFactor/kspace_encoding_step_2", round(encoding.acceleration.z))
        _put(element, "parallelImaging/calibrationMode", encoding.calibration_mode)
    _put(element, "echoTrainLength", encoding.echo_train_length)


def _write_sequence(root: Element, sequence: h.Sequence) -> None:
    lists = (
        ("TR", sequence.repetition_time_ms),
        ("TE", sequence.echo_time_ms),
        ("TI", sequence.inversion_time_ms),
        ("flipAngle_deg", sequence.flip_angle_deg),
    )
    for name, values in lists:
        for value in values:
            _add(_at(root, "sequenceParameters"), name).text = str(value)
    _put(root, "sequenceParameters/sequence_type", sequence.sequence_type)
    _put(root, f"{DIFFUSION}Dimension", sequence.diffusion_dimension)
    for weighted in sequence.diffusion:
        element = _add(_at(root, "sequenceParameters"), "diffusion")
        for axis, component in zip(("rl", "ap", "fh"), weighted.direction, strict=True):
            _put(element, f"gradientDirection/{axis}", component)
        _put(element, "bvalue", weighted.b_value_s_per_mm2)


def _add(parent: Element, name: str) -> Element:
    return SubElement(parent, f"{{{XMLNS}}}{name}")


def _at(parent: Element, path: str) -> Element:
    for name in path.split("/"):
        found = parent.find(f"{{{XMLNS}}}{name}")
        parent = _add(parent, name) if found is None else found
    return parent


def _put(parent: Element, path: str, value: object) -> None:
    """Write a value; a whole number without its fraction, which the schema does not allow everywhere."""
    if value is not None:
        whole = isinstance(value, float) and value.is_integer()
        _at(parent, path).text = f"{value:.0f}" if whole else str(value)
