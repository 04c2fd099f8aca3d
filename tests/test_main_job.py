"""From scanner to PACS: real processes, real sockets, real scans, a real PACS."""

from __future__ import annotations

import subprocess
import urllib.request
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import ismrmrd
import nibabel
import numpy as np
import pytest
from pydicom import dcmread

from gateway.mrd.header import write_header
from gateway.mrd.stream import RecordedSession, write_session
from gateway.recon.phantom import head_phantom
from tests import peers
from tests.running import Gateway, configured, gateway, running

GRE = "siemens_gre_acr_oblique.h5"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, orthanc: peers.Orthanc) -> Iterator[Gateway]:
    address = {"host": orthanc.host, "port": orthanc.dicom_port}
    pacs = {"kind": "pacs", **address, "ae_title": orthanc.ae_title, "plain": True}
    config = configured(tmp_path_factory.mktemp("site"), {"pacs": pacs, "folder": {"kind": "folder", "path": "series"}})
    with running(config) as site:
        yield site


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    acquisition, header = head_phantom()
    scan = RecordedSession(header_xml=write_header(header), recipe_asked="", acquisition=acquisition)
    path = tmp_path_factory.mktemp("phantom") / "phantom.mrd"
    path.write_bytes(b"".join(write_session(scan)))
    return path


@pytest.mark.peer("Orthanc", "dcm2niix")
@pytest.mark.parametrize("name", [GRE, "brain_16ch_full.h5", "brain_4ch_full.h5"])
def test_a_real_scan_reaches_a_real_pacs(
    site: Gateway, orthanc: peers.Orthanc, shared_data: Path, tmp_path: Path, name: str
) -> None:
    said = site.send(shared_data / "mrd" / name)
    assert said.returncode == 0
    assert said.stdout.startswith("stored ")
    (job,) = [job["id"] for job in site.ask("jobs", "list") if job["scan"]["id"] == said.stdout.split()[1].rstrip(":")]
    story = site.settled(job)

    assert story["job"]["state"] == "DONE"
    assert [(one["destination"], one["state"]) for one in story["job"]["deliveries"]] == [
        ("pacs", "COMMITTED"),
        ("folder", "COMMITTED"),
    ]
    steps = [line["what"] for line in story["timeline"]]
    assert steps[:5] == ["receiving", "complete", "queued", "claimed", "routed"]
    assert {"reconstructed", "checked", "series written", "pacs: committed"} <= set(steps)
    assert all(line["at"] for line in story["timeline"])

    series = story["job"]["deliveries"][0]["series_instance_uid"]
    found = [one for one in orthanc.get("/series?expand") if one["MainDicomTags"]["SeriesInstanceUID"] == series]
    assert [len(one["Instances"]) for one in found] == [1]
    with urllib.request.urlopen(f"{orthanc.http_url}/instances/{found[0]['Instances'][0]}/file") as answer:
        in_the_pacs = dcmread(BytesIO(answer.read()))
    in_the_folder = dcmread(site.config.parent / "series" / series / "0001.dcm")
    assert in_the_pacs.PixelData == in_the_folder.PixelData
    assert_place(site.config.parent / "series" / series, shared_data / "mrd" / name, tmp_path)


def assert_place(series: Path, scan: Path, tmp_path: Path) -> None:
    """What dcm2niix makes of the series lies where the MRD header says: the position is the centre of pixel n // 2."""
    subprocess.run(["/usr/bin/dcm2niix", "-o", tmp_path, "-f", "image", series], check=True, capture_output=True)
    image = nibabel.Nifti1Image.from_filename(tmp_path / "image.nii")
    with ismrmrd.Dataset(str(scan), create_if_needed=False) as file:
        head = file.read_acquisition(0)
        space = ismrmrd.xsd.CreateFromDocument(file.read_xml_header()).encoding[0].reconSpace
    n = np.array([space.matrixSize.x, space.matrixSize.y])
    spacing = np.array([space.fieldOfView_mm.x, space.fieldOfView_mm.y]) / n
    assert image.shape[:2] == tuple(n)

    in_patient = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.asarray(image.affine)  # from RAS to LPS
    turns = np.stack([head.read_dir, head.phase_dir]) @ (in_patient[:3, :2] / spacing)
    np.testing.assert_allclose(np.abs(turns), np.eye(2), atol=1e-3)
    voxel = np.linalg.solve(in_patient, [*head.position, 1.0])
    flipped = np.diag(turns) < 0
    np.testing.assert_allclose(voxel[:3], [*np.where(flipped, n - 1 - n // 2, n // 2), 0], atol=1e-3)


def test_the_phantom_arrives_whole_and_the_way_is_a_second_time_the_same(site: Gateway, phantom: Path) -> None:
    assert site.send(phantom).returncode == 0
    job = max(job["id"] for job in site.ask("jobs", "list"))
    delivery = site.settled(job)["job"]["deliveries"][1]
    assert (delivery["n_stored"], delivery["n_instances"]) == (12, 12)
    assert "same bytes as scan" in site.send(phantom).stdout
    assert max(job["id"] for job in site.ask("jobs", "list")) == job


def test_offline_makes_the_same_files(site: Gateway, phantom: Path, tmp_path: Path) -> None:
    site.send(phantom)
    job = max(job["id"] for job in site.ask("jobs", "list"))
    uid = site.settled(job)["job"]["deliveries"][0]["series_instance_uid"]
    done = gateway("reconstruct", phantom, "--out", tmp_path, "--config", site.config)
    assert (done.returncode, f"12 images in {tmp_path / uid}" in done.stdout) == (0, True)
    online, offline = (
        sorted(folder.glob("*.dcm")) for folder in (site.data / "outbox" / str(job) / uid, tmp_path / uid)
    )
    assert [path.name for path in online] == [path.name for path in offline]
    for one, other in zip(online, offline, strict=True):
        ours, theirs = dcmread(one), dcmread(other)
        assert (ours.SOPInstanceUID, ours.PixelData) == (theirs.SOPInstanceUID, theirs.PixelData)


def test_what_cannot_be_reconstructed_is_held_and_nothing_leaves(site: Gateway, shared_data: Path) -> None:
    assert site.send(shared_data / "mrd" / "brain_16ch_r2_acs20.h5", "--recipe", "fft").returncode == 0
    job = max(job["id"] for job in site.ask("jobs", "list"))
    story = site.settled(job)
    assert story["job"]["state"] == "HELD"
    assert "accelerated by 2; recipe fft needs all lines" in story["job"]["reason"]
    assert story["job"]["deliveries"] == []


def test_a_recipe_that_nobody_knows_is_held_and_the_scan_is_kept(site: Gateway, phantom: Path) -> None:
    assert site.send(phantom, "--recipe", "../../etc/passwd").returncode == 0
    job = max(job["id"] for job in site.ask("jobs", "list"))
    story = site.settled(job)
    assert story["job"]["state"] == "HELD"
    assert "nobody knows" in story["job"]["reason"]


def test_the_page_shows_the_work(site: Gateway, phantom: Path) -> None:
    site.send(phantom)
    with urllib.request.urlopen(f"http://{peers.LOOPBACK}:{site.page}/") as answer:
        page = answer.read().decode()
    assert "head phantom" in page
    with urllib.request.urlopen(f"http://{peers.LOOPBACK}:{site.page}/health/ready") as answer:
        assert answer.status == 200
