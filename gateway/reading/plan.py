"""What is wrong with the plan of a study, as far as the plan itself says it."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.model.reading import (
    FEWEST_POINTS,
    LONGEST_NAME,
    MOST_CRITERIA,
    MOST_IMAGES,
    MOST_POINTS,
    PREFERENCES,
    Design,
    StudyPlan,
)

FEWEST_RECIPES = 2


def plan_faults(wanted: StudyPlan) -> Iterator[str]:
    """Say everything that is wrong with a plan, but for names that only others know."""
    if not usable(wanted.name):
        yield f"a study's name has 1 to {LONGEST_NAME} printable characters"
    if len(set(wanted.recipes)) < max(FEWEST_RECIPES, len(wanted.recipes)):
        yield "a study compares two recipes or more, each named once"
    n_cases = n_once(wanted)
    if not 0 < n_cases + max(wanted.repeats, 0) <= MOST_IMAGES:
        yield f"a study has at least one scan, and at most {MOST_IMAGES} images"
    if not 0 <= wanted.repeats <= n_cases:
        yield f"from none to all {n_cases} images can be shown once more"
    yield from _scale(wanted)
    if wanted.seed and not usable(wanted.seed):
        yield f"a seed has at most {LONGEST_NAME} printable characters"
    names = {one.name for one in wanted.criteria if usable(one.name)}
    if not 0 < len(names) == len(wanted.criteria) <= MOST_CRITERIA:
        yield f"a study has 1 to {MOST_CRITERIA} criteria, each with a short name of its own"


def _scale(wanted: StudyPlan) -> Iterator[str]:
    if wanted.design is Design.PAIRS and wanted.points not in PREFERENCES:
        yield f"a preference has {' or '.join(map(str, PREFERENCES))} points, the middle one for no difference"
    if not FEWEST_POINTS <= wanted.points <= MOST_POINTS:
        yield f"scores go from 1 to {FEWEST_POINTS} at least, and to {MOST_POINTS} at most"


def n_once(wanted: StudyPlan) -> int:
    """Count what is put before a reader, but for what is shown once more."""
    n_recipes = len(wanted.recipes)
    each = n_recipes if wanted.design is Design.SCORES else n_recipes * (n_recipes - 1) // 2
    return len(wanted.scans) * each


def usable(name: str) -> bool:
    """Whether something can be called so."""
    return 0 < len(name) <= LONGEST_NAME and name.isprintable()
