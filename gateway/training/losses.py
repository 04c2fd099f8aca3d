"""How far a network's images are from what they should be: every loss is relative, 0 is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from gateway.model.training import Loss, LossKind
from gateway.training.critic import unconvincing
from gateway.training.features import distance
from gateway.training.lessons import Lesson

WINDOW, WIDTH = 11, 1.5
"""Of SSIM: pixels, and standard deviation of its Gaussian."""
K1, K2 = 0.01, 0.03
OBJECT = 0.1
"""Pixels that are brighter than this share of the bright parts are of the object."""
BRIGHT = 0.98
_TINY = 1e-12


def total(made: Tensor, lesson: Lesson, losses: Sequence[Loss], critic: nn.Module | None = None) -> Tensor:
    """Sum what a configuration asks for, by its weights."""
    return torch.stack([one.weight * _loss(one.kind, made, lesson, critic) for one in losses]).sum()


def _loss(kind: LossKind, made: Tensor, lesson: Lesson, critic: nn.Module | None) -> Tensor:
    if kind is not LossKind.ADVERSARIAL:
        return LOSSES[kind](made, lesson)
    if critic is None:
        raise AssertionError("a training with an adversarial loss has a critic")
    return unconvincing(critic, made)


def _l1(made: Tensor, lesson: Lesson) -> Tensor:
    image = _wanted(made, lesson)
    return (made - image).abs().mean() / (image.abs().mean() + _TINY)


def _l2(made: Tensor, lesson: Lesson) -> Tensor:
    image = _wanted(made, lesson)
    return ((made - image).abs().square().mean() + _TINY).sqrt() / (image.abs().square().mean() + _TINY).sqrt()


def _ssim(made: Tensor, lesson: Lesson) -> Tensor:
    image, wanted = (one.abs().flatten(0, -3) for one in (made, _wanted(made, lesson)))  # of volumes, every plane
    return 1 - similarity(image, wanted).mean()


def _kspace(made: Tensor, lesson: Lesson) -> Tensor:
    """Compare the samples of the lines that count (Yaman 2020)."""
    counted = lesson.counted[:, None]
    off = (lesson.shown.transform.apply(made.to(lesson.samples.dtype)) - lesson.samples) * counted
    right = lesson.samples * counted
    l2 = (off.abs().square().sum() + _TINY).sqrt() / (right.abs().square().sum() + _TINY).sqrt()
    return (l2 + off.abs().sum() / (right.abs().sum() + _TINY)) / 2


def _magnitude_phase(made: Tensor, lesson: Lesson) -> Tensor:
    """Compare sizes, and the part that stands perpendicular to what it should be (Terpstra 2022)."""
    image = lesson.image
    if image is None or not made.is_complex():
        return _l1(made, lesson)
    size = image.abs()
    across = (image.conj() * made).imag.abs() / size.clamp_min(_TINY)
    return (across + (made.abs() - size).abs()).mean() / (size.mean() + _TINY)


def _score(made: Tensor, lesson: Lesson) -> Tensor:
    """Compare what is left of the noise with what was put on; 1 is nothing learned."""
    put_on = lesson.shown.noise.square()[:, None, None]
    return ((made - _wanted(made, lesson)).abs().square() / put_on).mean()


def _perceptual(made: Tensor, lesson: Lesson) -> Tensor:
    image, wanted = (one.abs().flatten(0, -3) for one in (made, _wanted(made, lesson)))
    return distance(image, wanted)


def _wanted(made: Tensor, lesson: Lesson) -> Tensor:
    """Give the image that should have been made; its magnitude where the network makes no phase."""
    if lesson.image is None:
        raise AssertionError("the configuration lets only k-space be compared where no image is known")
    return lesson.image if made.is_complex() else lesson.image.abs()


LOSSES: Mapping[LossKind, Callable[[Tensor, Lesson], Tensor]] = MappingProxyType(
    {
        LossKind.L1: _l1,
        LossKind.L2: _l2,
        LossKind.SSIM: _ssim,
        LossKind.KSPACE: _kspace,
        LossKind.MAGNITUDE_PHASE: _magnitude_phase,
        LossKind.SCORE: _score,
        LossKind.PERCEPTUAL: _perceptual,
    }
)
"""By the name in the configuration; an adversarial loss is the critic's."""


def similarity(image: Tensor, truth: Tensor) -> Tensor:
    """Map the structural similarity of magnitudes, range of the truth (Wang 2004). From and to `(batch x y)`."""
    window = _window(image)
    largest = truth.amax(dim=(1, 2), keepdim=True)
    c1, c2 = (K1 * largest).square() + _TINY, (K2 * largest).square() + _TINY
    mean_i, mean_t = _blurred(image, window), _blurred(truth, window)
    var_i = _blurred(image.square(), window) - mean_i.square()
    var_t = _blurred(truth.square(), window) - mean_t.square()
    both = _blurred(image * truth, window) - mean_i * mean_t
    alike = (2 * mean_i * mean_t + c1) * (2 * both + c2)
    return alike / ((mean_i.square() + mean_t.square() + c1) * (var_i + var_t + c2))


def _window(like: Tensor) -> Tensor:
    place = torch.arange(WINDOW, device=like.device) - WINDOW // 2
    bell = torch.exp(-(place / WIDTH).square() / 2)
    return (bell / bell.sum()).to(like.dtype)


def _blurred(image: Tensor, window: Tensor) -> Tensor:
    rows = functional.conv2d(image[:, None], window[None, None, :, None], padding="same")
    return functional.conv2d(rows, window[None, None, None, :], padding="same")[:, 0]


def error_over_object(image: Tensor, truth: Tensor) -> float:
    """Root of the mean square of magnitudes over the object, relative to the truth. From `(1 x y)`."""
    inside = truth > OBJECT * torch.quantile(truth, BRIGHT)
    return float((image.abs() - truth)[inside].norm() / truth[inside].norm().clamp_min(_TINY))
