"""A rule whose destinations want different forms has the series written once for each, and the same images in all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from gateway.model.destinations import Destination, FolderDestination
from gateway.model.errors import BadScan
from gateway.model.form import Compression, ObjectFormat
from gateway.model.recipes import FftRecipe, NufftRecipe
from gateway.model.route import Routes, Rule
from gateway.model.series import Series
from gateway.model.zyx import Zyx
from gateway.offline import work_from_file
from gateway.recon.phantom import PhantomScan, head_phantom
from gateway.reconstruction import Teller, Work, make_series
from gateway.routing.choose import Choice
from gateway.zoo.zoo import Zoo

SCAN = PhantomScan(n_slices=3, n_coils=2, matrix=Zyx(z=1, y=48, x=48), seed=1)
SILENT = Teller(progress=lambda _fraction, _doing: None, note=lambda _what, _text: None)


def work(destinations: Mapping[str, Destination], *, unknown_direction: str = "hold", scan: PhantomScan = SCAN) -> Work:
    acquisition, header = head_phantom(scan)
    rule = Rule.model_validate(
        {"name": "all", "recipe": "fft", "destinations": list(destinations), "unknown_direction": unknown_direction}
    )
    return Work(
        zoo=Zoo(()),
        acquisition=acquisition,
        header=header,
        choice=Choice(rule=rule, recipe_name="fft", recipe=FftRecipe(), destinations=destinations, sources={}, why=()),
        digest="ab" * 32,
        received_at=datetime(2026, 1, 2, tzinfo=UTC),
    )


def made(asked: Work, outbox: Path) -> list[Series]:
    return make_series(asked, device="cpu", outbox=outbox, tell=SILENT)


def folder(path: Path, **form: str) -> FolderDestination:
    return FolderDestination.model_validate({"path": path, **form})


def test_each_destination_gets_the_form_that_it_wants(tmp_path: Path) -> None:
    destinations = {
        "pacs": folder(tmp_path),
        "archive": folder(tmp_path, format="enhanced", compression="jpeg-ls"),
        "copy": folder(tmp_path),
        "small": folder(tmp_path, compression="jpeg-2000"),
    }
    series = made(work(destinations), tmp_path)
    assert [one.destinations for one in series] == [("pacs", "copy"), ("archive",), ("small",)]
    assert [len(one.instances) for one in series] == [3, 1, 3]
    plain, enhanced, packed = ([dcmread(tmp_path / i.path) for i in one.instances] for one in series)
    truth = np.stack([ds.pixel_array for ds in plain])
    np.testing.assert_array_equal(truth, enhanced[0].pixel_array)
    np.testing.assert_array_equal(truth, np.stack([ds.pixel_array for ds in packed]))
    assert [ds.SOPInstanceUID for ds in plain] == [ds.SOPInstanceUID for ds in packed]
    assert enhanced[0].SeriesInstanceUID != plain[0].SeriesInstanceUID == packed[0].SeriesInstanceUID
    assert enhanced[0].file_meta.TransferSyntaxUID.name.startswith("JPEG-LS Lossless")


@pytest.mark.parametrize("compression", list(Compression))
@pytest.mark.parametrize("format_", list(ObjectFormat))
def test_the_files_are_where_the_series_says_and_the_same_again(
    format_: ObjectFormat, compression: Compression, tmp_path: Path
) -> None:
    asked = work({"pacs": folder(tmp_path, format=format_, compression=compression)})
    once, again = made(asked, tmp_path / "a"), made(asked, tmp_path / "b")
    assert once == again
    (series,) = once
    assert all((tmp_path / "a" / one.path).stat().st_size == one.n_bytes for one in series.instances)


def test_a_scan_without_directions_is_held_unless_its_rule_marks_it(tmp_path: Path) -> None:
    asked = work({"pacs": folder(tmp_path)})
    for run in asked.acquisition:
        for name in ("read_dir", "phase_dir", "slice_dir"):
            run.heads[name] = 0
    with pytest.raises(BadScan, match="no orientation"):
        made(asked, tmp_path)
    marking = work({"pacs": folder(tmp_path)}, unknown_direction="mark").choice
    (series,) = made(replace(asked, choice=marking), tmp_path)
    assert {one.sop_class_uid for one in series.instances} == {"1.2.840.10008.5.1.4.1.1.7"}


@pytest.mark.parametrize("decision", ["hold", "mark"])
def test_a_real_simulation_that_has_no_directions_goes_where_its_rule_says(
    decision: str, shared_data: Path, tmp_path: Path
) -> None:
    destinations = {"pacs": folder(tmp_path)}
    rule = {"name": "all", "recipe": "nufft", "destinations": ["pacs"], "unknown_direction": decision}
    routes = Routes(recipes={"nufft": NufftRecipe()}, destinations=destinations, rules=(Rule.model_validate(rule),))
    spiral = shared_data / "mrd" / "foreign" / "signals_spiralout_clean_slc30.h5"
    asked = work_from_file(spiral, zoo=Zoo(()), routes=routes, recipe="")
    if decision == "hold":
        with pytest.raises(BadScan, match="no orientation"):
            made(asked, tmp_path)
        return
    (series,) = made(asked, tmp_path)
    ds = dcmread(tmp_path / series.instances[0].path)
    assert ds.SOPClassUID.name == "Secondary Capture Image Storage"
    assert ds.pixel_array.max() == 4095


def with_table(asked: Work, x: float | None, *, rule: str) -> Work:
    """The same, where the header says how far the table had gone, and the rule what follows."""
    measurement = replace(asked.header.measurement, table_x_mm=x, table_y_mm=-7.0, table_z_mm=250.5)
    choice = replace(asked.choice, rule=asked.choice.rule.model_copy(update={"table_position": rule}))
    return replace(asked, header=replace(asked.header, measurement=measurement), choice=choice)


@pytest.mark.parametrize("form", ObjectFormat)
def test_the_table_is_added_where_the_rule_says_so_and_makes_another_series(form: ObjectFormat, tmp_path: Path) -> None:
    asked = work({"pacs": folder(tmp_path, format=form)})
    plain = made(with_table(asked, 1.5, rule="ignore"), tmp_path / "plain")
    added = made(with_table(asked, 1.5, rule="add"), tmp_path / "added")
    there, here = (
        np.array([position for file in sorted((tmp_path / name).rglob("*.dcm")) for position in _positions(file)])
        for name in ("added", "plain")
    )
    moved = np.unique(there, axis=0) - np.unique(here, axis=0)
    np.testing.assert_allclose(moved, np.tile([1.5, -7.0, 250.5], (len(moved), 1)), atol=1e-3)
    uids = [{one.sop_instance_uid for series in some for one in series.instances} for some in (plain, added)]
    assert uids[0].isdisjoint(uids[1])


def _positions(file: Path) -> list[list[float]]:
    ds = dcmread(file)
    frames = ds.get("PerFrameFunctionalGroupsSequence")
    if frames is None:
        return [list(ds.ImagePositionPatient)]
    return [list(frame.PlanePositionSequence[0].ImagePositionPatient) for frame in frames]


def test_a_table_that_is_to_be_added_and_is_not_said_holds_the_scan(tmp_path: Path) -> None:
    asked = with_table(work({"pacs": folder(tmp_path)}), None, rule="add")
    with pytest.raises(BadScan, match="no relativeTablePosition"):
        made(asked, tmp_path)


@pytest.mark.parametrize(("step", "moves"), [(0.0, False), (300.0, False), (50_000.0, True)])
def test_a_table_that_moves_between_images_is_refused_whatever_its_unit(
    step: float, moves: bool, tmp_path: Path
) -> None:
    asked = work({"pacs": folder(tmp_path)})
    (run,) = asked.acquisition
    heads = run.heads.copy()
    heads["patient_table_position"] = np.array([0, 0, -1_040_015], np.float32)
    heads["patient_table_position"][:, 2] += step * heads["idx"]["slice"]
    asked = replace(asked, acquisition=(replace(run, heads=heads),))
    if moves:
        with pytest.raises(BadScan, match="the table moved"):
            made(asked, tmp_path)
    else:
        assert made(asked, tmp_path)
