"""What models reached beside the best conventional recipe, as their cards say it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from gateway.evaluation.compare import Masking, Trial
from gateway.model.card import Measured

NRMSE, SSIM = "nrmse_object", "ssim_object"
DIGITS = 4


def measured(trials: Sequence[Trial], learned: Mapping[str, str]) -> dict[str, tuple[Measured, ...]]:
    """Sum up, for each model, the scans that it and a conventional recipe made an image of.

    Parameters
    ----------
    trials
        Of every recipe.
    learned
        Which recipe is which model's; all others are conventional. Of a model's recipes the first one counts.
    """
    by_model: dict[str, list[Measured]] = defaultdict(list)
    for (scan, masking), group in _cases(trials).items():
        made = {trial.recipe: trial for trial in group if trial.values}
        rivals = [trial for name, trial in made.items() if name not in learned]
        if not rivals:
            continue
        best = min(rivals, key=lambda trial: trial.values[NRMSE])
        own = {model: made[name] for name, model in reversed(tuple(learned.items())) if name in made}
        for model, trial in own.items():
            by_model[model].append(_beside(trial, best, f"{scan}, {masking.pattern}", masking))
    return {model: tuple(rows) for model, rows in by_model.items()}


def _cases(trials: Sequence[Trial]) -> dict[tuple[str, Masking], list[Trial]]:
    cases: dict[tuple[str, Masking], list[Trial]] = defaultdict(list)
    for trial in trials:
        cases[trial.scan, trial.masking].append(trial)
    return cases


def _beside(trial: Trial, best: Trial, which: str, masking: Masking) -> Measured:
    return Measured(
        data=f"{which}, {masking.n_calibration} calibration lines",
        acceleration=masking.acceleration,
        nrmse=round(trial.values[NRMSE], DIGITS),
        ssim=round(trial.values[SSIM], DIGITS),
        conventional=best.recipe,
        conventional_nrmse=round(best.values[NRMSE], DIGITS),
        conventional_ssim=round(best.values[SSIM], DIGITS),
    )
