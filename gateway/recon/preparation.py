"""From readouts as they came to a scan that methods take: white, of our sign, straight; once, whoever asks."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import torch

from gateway.model.header import ScanHeader
from gateway.model.noise import NoiseCovariance
from gateway.model.readout import Acquisition
from gateway.recon.contradictions import check_channels
from gateway.recon.convention import in_our_convention
from gateway.recon.epi.straighten import straighten
from gateway.recon.memory import Memory
from gateway.recon.noise import whiten
from gateway.recon.scan import Scan
from gateway.recon.spaces import ImagedSpace, imaged_spaces


class Preparation:
    """A recording, each of whose encoding spaces is prepared when it is first asked for.

    A method, the checks of its images and the conventional image beside them take the same scan; with room for it, so
    many bytes of what one of them finds out are kept for the others.
    """

    def __init__(
        self, acquisition: Acquisition, header: ScanHeader, noise: NoiseCovariance | None = None, *, room_bytes: int = 0
    ) -> None:
        self.acquisition, self.header, self._noise = acquisition, header, noise
        self._room_bytes = room_bytes
        self._made: dict[int, tuple[Scan, tuple[str, ...]]] = {}

    @cached_property
    def spaces(self) -> list[ImagedSpace]:
        """The encoding spaces that were imaged."""
        return imaged_spaces(self.acquisition, self.header)

    def of(self, space: ImagedSpace) -> tuple[Scan, tuple[str, ...]]:
        """Give the scan of a space, and what was done to it."""
        if space.number not in self._made:
            with torch.inference_mode():
                self._made[space.number] = self._remembering(*prepared(space, self._noise))
        return self._made[space.number]

    def _remembering(self, scan: Scan, notes: tuple[str, ...]) -> tuple[Scan, tuple[str, ...]]:
        if not self._room_bytes:
            return scan, notes
        return replace(scan, memory=Memory(scan.acquisition, scan.header, self._room_bytes)), notes


def prepared(space: ImagedSpace, noise: NoiseCovariance | None) -> tuple[Scan, tuple[str, ...]]:
    """Whiten one encoding space, bring it to our sign and straighten it; and say what was done."""
    header = space.header
    check_channels(space.acquisition)
    white = whiten(space.acquisition, header, noise)  # before the sign: the noise was measured with the scanner's
    straight = straighten(in_our_convention(white.acquisition, header), header)
    scan = Scan(
        acquisition=straight.acquisition,
        header=straight.header,
        noise_power=white.noise_power,
        whitened_by=white.by,
    )
    return scan, (*straight.notes, *white.notes)
