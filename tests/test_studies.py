"""Reader studies by the real parts: images that say nothing, readers who learn nothing, tables, a PACS of their own."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from gateway.jobs.audit import AuditTrail
from gateway.jobs.credentials import Terms
from gateway.jobs.people import People
from gateway.jobs.retention import Retention
from gateway.jobs.studies import Studies
from gateway.model.errors import NothingThere, Overtaken, WrongCall
from gateway.model.ids import JobId, RecordingId
from gateway.model.job import JobState
from gateway.model.person import Role
from gateway.model.policy import Policy
from gateway.model.projects import Option, Project
from gateway.model.reading import Criterion, Design, Said, Study, StudyPlan
from gateway.model.recipes import FftRecipe, LearnedRecipe, SenseRecipe
from gateway.model.route import Rule
from gateway.pictures import OutboxPictures
from gateway.studies import ReaderStudies
from tests.dicom.scripted import scripted_pacs
from tests.studio import FOR_OTHERS, MODEL, Archive, Studio
from tests.web.visits import account

CRITERIA = (
    Criterion(name="sharpness", question="?", worst="blurred", best="sharp"),
    Criterion(name="=noise", question="?", worst="loud", best="none"),
)
NOBODY = 9
"""A port at which no PACS answers."""
READERS = ("anna", "bert")
MAY_DIFFER = {
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDescription",
    "PixelData",
    "WindowCenter",
    "WindowWidth",
    "RealWorldValueMappingSequence",
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "BitsStored",
    "HighBit",
}
"""Between two recipes of one scan: names, place in the order, and the pixels with their scale."""


class Lab(Studio):
    """A ward with a network and two conventional recipes, two patients, and a project."""

    def __init__(self, folder: Path, port: int) -> None:
        key = folder / "key"
        key.write_bytes(b"k" * 32)
        self.known = {"eyes": Project(key_file=key, options=(Option.CLEAN_DESCRIPTORS,))}
        super().__init__(folder, port, Policy())
        self.people = People(self.engine, self.clock, Terms())
        for name in READERS:
            account(self.people, name, Role.READER)
        self.kept = Studies(self.engine, self.clock)
        self.studies = ReaderStudies(
            kept=self.kept,
            queries=self.queries,
            people=self.people,
            in_force=lambda: self.routes,
        )
        self.pictures = OutboxPictures(queries=self.queries, outbox=self.outbox, exhibits=self.processor.exhibits)

    def rules(self, rule: object) -> None:
        super().rules(rule)
        recipes = {
            "net": LearnedRecipe(model=MODEL, fallback=FftRecipe()),
            "plain": FftRecipe(),
            "sense": SenseRecipe(),
        }
        rule = Rule(name="all", recipe="plain", destinations=("pacs",))
        self.routes = self.routes.model_copy(update={"recipes": recipes, "projects": self.known, "rules": (rule,)})

    def receive(self, n: int) -> list[RecordingId]:
        """Receive scans of different patients, and forget the jobs that they have by themselves."""
        for number in range(1, n + 1):
            self.arrive(number)
            self.work_if_due()
        return [one.id for one in self.queries.scans()]

    def make(self, **wanted: object) -> Study:
        """Make a study, and everything that it needs."""
        plan = StudyPlan(
            name="heads",
            scans=tuple(one.id for one in self.queries.scans()),
            recipes=("net", "plain"),
            readers=READERS,
            criteria=CRITERIA,
            seed="a seed",
        )
        made = self.studies.make(replace(plan, **wanted), who="admin")  # type: ignore[arg-type] # of the plan's own
        for _ in self.kept.images(made.id):
            self.work_if_due()
        return made

    def read(self, study: Study, name: str, better: str = "plain") -> None:
        """Score everything; one recipe is better, as everybody can see."""
        by_code = {one.code: one.recipe for one in self.kept.images(study.id)}
        for code in self.studies.task(study.id, name).codes:
            score = 5 if by_code[code] == better else 2
            self.studies.score(study.id, code, name, Said(scores={"sharpness": score, "=noise": score - 1}))

    def finish(self, study: Study, name: str) -> None:
        self.read(study, name)
        self.studies.finish(study.id, name, who=name)


@pytest.fixture(scope="module")
def pacs() -> Iterator[tuple[Archive, int]]:
    archive = Archive()
    with scripted_pacs(archive) as (port, _):
        yield archive, port


@pytest.fixture
def archive(pacs: tuple[Archive, int]) -> Archive:
    found, _ = pacs
    found.got.clear()
    found.full = False
    return found


@pytest.fixture
def lab(tmp_path: Path, archive: Archive, pacs: tuple[Archive, int]) -> Iterator[Lab]:  # noqa: ARG001 - emptied first
    lab = Lab(tmp_path, pacs[1])
    lab.receive(2)
    yield lab
    lab.engine.dispose()


@pytest.fixture(scope="module")
def unread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Scans of which no study can be made."""
    lab = Lab(tmp_path_factory.mktemp("lab"), NOBODY)
    lab.receive(2)
    yield lab
    lab.engine.dispose()


def test_images_are_made_for_every_scan_and_recipe_and_go_nowhere(lab: Lab, archive: Archive) -> None:
    study = lab.make(recipes=("net", "plain", "sense"))
    images = lab.kept.images(study.id)
    assert {(one.scan, one.recipe) for one in images} == {
        (scan.id, recipe) for scan in lab.queries.scans() for recipe in ("net", "plain", "sense")
    }
    assert {one.state for one in images} == {JobState.DONE}
    for one in images:
        assert lab.queries.job(one.job).deliveries == ()
        assert lab.queries.ruling(one.job) is None, "the gate is not asked: a study wants to see what a network does"
    for _ in range(12):
        lab.deliver_if_due()
    assert [ds for ds in archive.got if "Reading" in ds.SeriesDescription] == []


def test_a_network_that_refuses_the_scan_is_not_compared_with_itself(lab: Lab) -> None:
    lab.put_card(made_for=FOR_OTHERS)
    study = lab.make()
    by_recipe = {one.recipe: one for one in lab.kept.images(study.id)}
    assert by_recipe["net"].state == JobState.HELD
    assert by_recipe["net"].reason.startswith("a study of 'net' would show the conventional image: ")
    with pytest.raises(Overtaken, match="2 images of study 1 are not made yet"):
        lab.studies.task(study.id, "anna")


def series_of(lab: Lab, study: Study) -> dict[tuple[str, str], Dataset]:
    return {(one.scan, one.recipe): lab.made(one.job)[0] for one in lab.kept.images(study.id)}


def test_no_attribute_says_by_which_recipe_or_of_whom(lab: Lab) -> None:
    study = lab.make(recipes=("net", "plain", "sense"), project="eyes")
    series = series_of(lab, study)
    scan = lab.queries.scans()[0].id
    one, *others = (series[scan, recipe] for recipe in ("plain", "net", "sense"))
    for other in others:
        apart = {element.keyword for element in (*one, *other) if one.get(element.tag) != other.get(element.tag)}
        assert apart <= MAY_DIFFER
    for ds in series.values():
        told = ds.to_json().lower()
        for secret in ("müller", "p0001", "p0002", "plain", "sense", MODEL, "dlrecon", "[ai]", "unet", "network small"):
            assert secret not in told.replace("a neural network may", ""), secret
        assert "not for diagnosis" in ds.ImageComments
        assert not ds.get("ContributingEquipmentSequence") or "net" not in str(ds.ContributingEquipmentSequence)


def test_pseudonyms_are_the_same_for_the_same_patient_and_the_order_is_random(lab: Lab, archive: Archive) -> None:
    study = lab.make(project="eyes")
    lab.studies.export(study.id, "pacs", who="admin")
    for _ in range(6):
        lab.deliver_if_due()
    read = [ds for ds in archive.got if "Reading" in ds.SeriesDescription]
    assert len(read) == 4
    key = {row["image"]: row for row in csv.DictReader(StringIO(lab.studies.key(study.id, who="admin", asks="")))}
    whose: dict[str, set[str]] = {}
    for ds in read:
        whose.setdefault(key[str(int(ds.SeriesDescription[8:12]))]["scan"], set()).add(ds.PatientID)
    assert [len(names) for names in whose.values()] == [1, 1]
    assert len(set.union(*whose.values())) == 2
    trail = {line.deed.what: line.deed.text for line in AuditTrail(lab.engine, lab.clock).newest(20)}
    assert trail["study 1 exported"] == "4 series to pacs, without patients and recipes"
    assert "study 1 key shown" in trail
    with pytest.raises(Overtaken, match="queued for pacs before"):
        lab.studies.export(study.id, "pacs", who="admin")


def test_without_a_project_nothing_leaves(lab: Lab) -> None:
    study = lab.make()
    with pytest.raises(WrongCall, match="images name their patients"):
        lab.studies.export(study.id, "pacs", who="admin")


def test_a_reader_can_pause_go_on_and_change_their_mind_until_they_finish(lab: Lab) -> None:
    study = lab.make()
    first = lab.studies.task(study.id, "anna")
    assert (first.next, len(first.codes), first.scored) == (first.codes[0], 4, frozenset())
    lab.studies.score(study.id, first.codes[0], "anna", Said(scores={"sharpness": 3, "=noise": 2}))
    again = lab.studies.task(study.id, "anna")
    assert (again.codes, again.next) == (first.codes, first.codes[1])
    lab.studies.score(study.id, first.codes[0], "anna", Said(scores={"sharpness": 4, "=noise": 2}))
    assert lab.studies.given(study.id, "anna") == {first.codes[0]: {"sharpness": 4, "=noise": 2}}
    with pytest.raises(WrongCall, match="3 images have not been scored yet"):
        lab.studies.finish(study.id, "anna", who="anna")
    lab.finish(study, "anna")
    with pytest.raises(Overtaken, match="anna has finished"):
        lab.studies.score(study.id, first.codes[0], "anna", Said(scores={"sharpness": 1, "=noise": 1}))
    assert set(lab.studies.task(study.id, "bert").codes) == set(first.codes)


@pytest.mark.parametrize("said", [{}, {"sharpness": 3}, {"sharpness": 3, "=noise": 6}, {"sharpness": 0, "=noise": 1}])
def test_a_score_that_is_missing_or_off_the_scale_is_refused(lab: Lab, said: dict[str, int]) -> None:
    study = lab.make()
    code = lab.studies.task(study.id, "anna").codes[0]
    with pytest.raises(WrongCall, match="a score from 1 to 5 is missing"):
        lab.studies.score(study.id, code, "anna", Said(scores=said))
    assert lab.studies.given(study.id, "anna") == {}


def test_who_was_not_asked_reads_nothing(lab: Lab) -> None:
    study = lab.make(readers=("anna",))
    code = lab.studies.task(study.id, "anna").codes[0]
    for ask in (
        lambda: lab.studies.task(study.id, "bert"),
        lambda: lab.studies.score(study.id, code, "bert", Said(scores={"sharpness": 3, "=noise": 3})),
        lambda: lab.studies.task(study.id, "anna").seen("0" * 32),
        lambda: lab.studies.score(study.id, "0" * 32, "anna", Said(scores={"sharpness": 3, "=noise": 3})),
    ):
        with pytest.raises(NothingThere):
            ask()


def test_only_who_has_finished_counts_and_who_has_not_finished_sees_nothing(lab: Lab) -> None:
    study = lab.make()
    lab.finish(study, "anna")
    lab.read(study, "bert", better="net")
    found = lab.studies.outcome(study.id, asks="anna")
    assert found.readers == ("anna",)
    medians = {(one.criterion, one.recipe): one.median for one in found.summaries}
    assert medians == {
        ("sharpness", "net"): 2,
        ("sharpness", "plain"): 5,
        ("=noise", "net"): 1,
        ("=noise", "plain"): 4,
    }
    with pytest.raises(Overtaken, match="have not finished"):
        lab.studies.outcome(study.id, asks="bert")
    with pytest.raises(Overtaken, match="have not finished"):
        lab.studies.key(study.id, who="bert", asks="bert")
    lab.studies.finish(study.id, "bert", who="bert")
    both = lab.studies.outcome(study.id, asks="bert")
    assert [(one.criterion, one.difference, one.p) for one in both.comparisons] == [
        ("sharpness", 0, 1),
        ("=noise", 0, 1),
    ], "one likes what the other does not"
    assert all(one.kappa is not None and one.kappa < 0 and one.alpha is not None for one in both.agreements)
    rows = list(csv.DictReader(StringIO(lab.studies.table(study.id, asks="bert"))))
    assert len(rows) == 2 * 4 * 2
    assert {row["criterion"] for row in rows} == {"sharpness", "'=noise"}, "no cell is a formula"


def test_images_stay_as_long_as_their_study_is_open_and_go_after_it(lab: Lab) -> None:
    study = lab.make(project="eyes")
    jobs = {one.job for one in lab.kept.images(study.id)}
    lab.studies.export(study.id, "pacs", who="admin")
    for _ in range(6):
        lab.deliver_if_due()
    rows = Retention(lab.engine, lab.clock)

    def may_go() -> set[JobId]:
        return {one.job for one in rows.series_delivered_before(lab.clock() + timedelta(days=1))}

    assert not may_go() & jobs, "they have arrived, and are still read here"
    lab.kept.close(study.id, who="admin")
    assert may_go() >= jobs
    unsent = lab.make(name="others")
    of_others = {one.job for one in lab.kept.images(unsent.id)}
    assert not may_go() & of_others
    lab.kept.close(unsent.id, who="admin")
    assert may_go() >= of_others


def test_a_study_that_is_closed_takes_no_scores(lab: Lab) -> None:
    study = lab.make()
    code = lab.studies.task(study.id, "anna").codes[0]
    lab.kept.close(study.id, who="admin")
    with pytest.raises(Overtaken, match="closed"):
        lab.studies.score(study.id, code, "anna", Said(scores={"sharpness": 3, "=noise": 3}))
    with pytest.raises(Overtaken, match="closed"):
        lab.kept.close(study.id, who="admin")


@pytest.mark.parametrize(
    ("wanted", "fault"),
    [
        ({"name": ""}, "a study's name"),
        ({"recipes": ("plain",)}, "two recipes or more"),
        ({"recipes": ("plain", "plain")}, "each named once"),
        ({"recipes": ("plain", "other")}, "there is no recipe 'other'"),
        ({"scans": ()}, "at least one scan"),
        ({"readers": ("carl",)}, "'carl' has no account"),
        ({"points": 10}, "at most"),
        ({"repeats": 5}, "from none to all 4 images"),
        ({"design": Design.PAIRS, "points": 4}, "a preference has 3 or 5 points"),
        ({"design": Design.PAIRS, "repeats": 3}, "from none to all 2 images"),
        ({"repeats": -1}, "from none to all 4 images"),
        ({"criteria": ()}, "1 to 12 criteria"),
        ({"project": "ears"}, "there is no project 'ears'"),
        ({"scans": (RecordingId("ffff"),)}, "no scan begins with 'ffff'"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(unread: Lab, wanted: dict[str, object], fault: str) -> None:
    with pytest.raises(WrongCall, match=fault):
        unread.make(**wanted)
    assert unread.kept.all() == []


def test_two_studies_cannot_have_one_name(lab: Lab) -> None:
    lab.make()
    with pytest.raises(Overtaken, match="there is a study 'heads' already"):
        lab.make()


def test_images_that_are_shown_twice_hold_each_reader_to_themselves(lab: Lab) -> None:
    study = lab.make(repeats=2)
    shown = lab.kept.images(study.id)
    pairs = {one.code: one.repeats for one in lab.studies.cases(study.id) if one.repeats}
    assert (len(shown), len(pairs)) == (6, 2)
    codes = lab.studies.task(study.id, "anna").codes
    assert all(codes.index(code) > codes.index(before) for code, before in pairs.items())
    lab.read(study, "anna")
    changed = next(iter(pairs))
    given = lab.studies.given(study.id, "anna")[changed]
    lab.studies.score(study.id, changed, "anna", Said(scores={**given, "sharpness": 7 - given["sharpness"]}))
    lab.studies.finish(study.id, "anna", who="anna")
    found = lab.studies.outcome(study.id, asks="anna")
    assert [(one.criterion, one.reader, one.n_images, one.same) for one in found.repeatability] == [
        ("sharpness", "anna", 2, 0.5),
        ("=noise", "anna", 2, 1.0),
    ]
    assert {one.n_scores for one in found.summaries} == {2}, "the first score counts, and no image twice"
    rows = list(csv.DictReader(StringIO(lab.studies.table(study.id, asks="anna"))))
    assert {row["repeats"] for row in rows if int(row["image"]) > 4} <= {"1", "2", "3", "4"}
    assert sum(bool(row["repeats"]) for row in rows) == 4, "of two images, by two criteria"
    assert len(rows) == 12


def test_of_pairs_a_reader_says_which_is_better_and_the_sides_are_turned_back(lab: Lab) -> None:
    study = lab.make(design=Design.PAIRS, recipes=("plain", "sense"), points=3, repeats=1)
    assert len(lab.kept.images(study.id)) == 4, "no image is made twice for a pair that is shown twice"
    for name in READERS:
        task = lab.studies.task(study.id, name)
        assert len(task.codes) == 3
        for code in task.codes:
            left, right = task.seen(code)
            assert (left.scan, {left.recipe, right.recipe}) == (right.scan, {"plain", "sense"})
            better = 1 if left.recipe == "plain" else 3
            lab.studies.score(study.id, code, name, Said(scores={"sharpness": better, "=noise": 2}))
            again = lab.studies.given(study.id, name)[code]
            assert task.facing(code, again) == {"sharpness": better, "=noise": 2}, "what they said they see again"
        lab.studies.finish(study.id, name, who=name)
    found = lab.studies.outcome(study.id, asks="anna")
    sharp, noise = found.preferences
    assert (sharp.first, sharp.n_first, sharp.n_same, sharp.n_second, sharp.share) == ("plain", 4, 0, 0, 1)
    assert (noise.n_first, noise.n_same, noise.n_second, noise.share, noise.p) == (0, 4, 0, None, 1)
    assert {one.same for one in found.repeatability} == {1}
    rows = list(csv.DictReader(StringIO(lab.studies.table(study.id, asks="anna"))))
    assert {(row["criterion"], row["preference"]) for row in rows} == {("sharpness", "1"), ("'=noise", "0")}
    assert {row["left"] for row in rows} == {"plain", "sense"}
    assert sum(row["repeats"] == "yes" for row in rows) == 4


def test_a_remark_is_kept_with_its_image_and_shown_to_those_who_may_know(lab: Lab) -> None:
    study = lab.make()
    code = lab.studies.task(study.id, "anna").codes[0]
    said = Said(scores={"sharpness": 3, "=noise": 2}, remark="  =streak, left\x1b\nof the midline ")
    lab.studies.score(study.id, code, "anna", said)
    assert lab.studies.remark(study.id, code, "anna") == "=streak, left\nof the midline"
    assert lab.studies.remark(study.id, code, "bert") == ""
    assert lab.studies.remarks(study.id, asks="") == [], "who has not finished is not counted"
    with pytest.raises(WrongCall, match="at most 2000 characters"):
        lab.studies.score(study.id, code, "anna", Said(scores=said.scores, remark="x" * 2001))
    lab.read(study, "anna")
    lab.studies.score(study.id, code, "anna", said)
    lab.studies.finish(study.id, "anna", who="anna")
    ((remark, case),) = lab.studies.remarks(study.id, asks="anna")
    assert (remark.reader, case.code) == ("anna", code)
    assert "'=streak" in lab.studies.remark_table(study.id, asks="anna")
    with pytest.raises(Overtaken, match="have not finished"):
        lab.studies.remarks(study.id, asks="bert")


def test_a_study_is_deleted_with_a_reason_and_its_jobs_never_become_those_of_a_patient(lab: Lab) -> None:
    study = lab.make()
    lab.finish(study, "anna")
    jobs = [one.job for one in lab.kept.images(study.id)]
    with pytest.raises(Overtaken, match="is open; close it first"):
        lab.kept.delete(study.id, who="admin", reason="a try")
    lab.kept.close(study.id, who="admin")
    with pytest.raises(WrongCall, match="say why"):
        lab.kept.delete(study.id, who="admin", reason=" ")
    lab.kept.delete(study.id, who="admin", reason="a try")
    for ask in (lambda: lab.kept.study(study.id), lambda: lab.kept.named("heads"), lambda: lab.kept.readers(study.id)):
        with pytest.raises(NothingThere):
            ask()
    assert (lab.kept.all(), lab.kept.scores(study.id), lab.kept.of_reader("anna")) == ([], [], [])
    assert all(lab.kept.blind(job) for job in jobs), "done again, they are still sent nowhere"
    (line, *_) = AuditTrail(lab.engine, lab.clock).newest(1)
    assert (line.deed.what, line.deed.text) == ("study 1 deleted", "heads, made by admin: a try")
    assert lab.make().id != study.id, "its name is free again"
