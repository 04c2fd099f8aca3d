"""Forward passes of fastMRI's networks on a slice of 320 x 320 and 16 coils, beside MONAI where that is installed.

MONAI is no dependency: nothing here needs it. ``pip install --no-deps monai`` into an environment of its own.
Its networks have as many parameters as ours within one per cent, and compute the same.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module

import torch
from torch import Tensor

from benchmarks.registry import Peers, benchmark
from gateway.recon.networks.tuning import by_pixels
from gateway.recon.networks.unet import Unet
from gateway.recon.networks.varnet import VarNet

N, N_COILS, STEP, CALIBRATION = 320, 16, 4, 24
WIDTHS, SENS_WIDTHS = (18, 36, 72, 144, 288, 18), (8, 16, 32, 64, 128, 8)
"""Channels of MONAI's levels, as E2E-VarNet has them."""
ALIKE = 0.01


def _measured() -> tuple[Tensor, Tensor]:
    lines = torch.zeros(1, 1, 1, N, dtype=torch.bool)
    lines[..., ::STEP] = lines[..., N // 2 - CALIBRATION // 2 : N // 2 + CALIBRATION // 2] = True
    random = torch.Generator().manual_seed(3)
    kspace = torch.randn(1, N_COILS, N, N, dtype=torch.complex64, generator=random) * lines
    return kspace, lines


def _ready(network: torch.nn.Module) -> torch.nn.Module:
    """Make a network as the worker keeps it."""
    by_pixels(network, torch.device("cpu"))
    return network.eval()


def _parameters(network: torch.nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())


def _monai(kspace: Tensor, lines: Tensor, n_parameters: int) -> Callable[[], object]:
    nets = "monai.apps.reconstruction.networks.nets"
    sens = import_module(f"{nets}.coil_sensitivity_model").CoilSensitivityModel(spatial_dims=2, features=SENS_WIDTHS)
    unet = import_module(f"{nets}.complex_unet").ComplexUnet(spatial_dims=2, features=WIDTHS)
    model = import_module(f"{nets}.varnet").VariationalNetworkModel(sens, unet, num_cascades=12).eval()
    if abs(_parameters(model) / n_parameters - 1) > ALIKE:
        raise AssertionError("MONAI's network is of another size")
    parts, mask = torch.view_as_real(kspace), lines[..., None]
    return lambda: model(parts, mask)


@benchmark
def varnet() -> Iterator[Peers]:
    """Time the E2E-VarNet of 12 cascades, fp32."""
    kspace, lines = _measured()
    ours = _ready(VarNet())
    peers: dict[str, Callable[[], object]] = {"gateway": lambda: ours(kspace, lines, CALIBRATION)}
    if importlib.util.find_spec("monai"):
        peers["MONAI"] = _monai(kspace, lines, _parameters(ours))
    with torch.inference_mode():
        yield peers


@benchmark
def varnet_memory() -> Iterator[Peers]:
    """Measure the largest memory of a process that runs the same E2E-VarNet once: megabytes, told as milliseconds."""
    yield {"gateway": _peak_mb}


def _peak_mb() -> float:
    """Give a thousandth of the megabytes, as what a peer returns is taken for seconds."""
    script = (
        "import torch\n"
        "from benchmarks import networks as n\n"
        "kspace, lines = n._measured()\n"
        "with torch.inference_mode():\n"
        "    n._ready(n.VarNet())(kspace, lines, n.CALIBRATION)\n"
        "print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM:')))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)  # noqa: S603 - ours
    return int(done.stdout) * 1024 / 1e6 / 1e3


@benchmark
def unet() -> Iterator[Peers]:
    """Time the U-Net of fastMRI, 32 channels, fp32."""
    network, image = _ready(Unet(1, 1)), torch.randn(1, 1, N, N)
    with torch.inference_mode():
        yield {"gateway": lambda: network(image)}
