"""Graphics cards: what there is, what this torch can use of it, and what to do if they do not fit."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace

from napari_unet.errors import one_line
from napari_unet.events import Finding
from napari_unet.jobs.builds import BUILDS, INDEX, TURING, Version, build_for
from napari_unet.storage.budget import human

CHOOSER = "https://pytorch.org/get-started/locally"
DRIVERS = "https://www.nvidia.com/drivers"
_SECONDS = 20
"""How long nvidia-smi may take."""


@dataclass(frozen=True)
class Driver:
    """What NVIDIA's driver says.

    Parameters
    ----------
    cards
        Names of the graphics cards.
    version
        Of the driver.
    cuda
        The newest CUDA that it can run, if known.
    complaint
        Why it says nothing of this, if it does not answer.
    capabilities
        Compute capabilities of the cards; empty: it does not tell.
    """

    cards: tuple[str, ...] = ()
    version: str = ""
    cuda: Version | None = None
    complaint: str = ""
    capabilities: tuple[Version, ...] = ()


@dataclass(frozen=True)
class Torch:
    """What the installed torch was built for, and what it can use here.

    Parameters
    ----------
    version
        Of torch.
    cuda
        The CUDA that it was built for; None: a build without.
    cuda_works, mps_works
        Whether it can use an NVIDIA GPU, or Apple's.
    """

    version: str
    cuda: Version | None = None
    cuda_works: bool = False
    mps_works: bool = False


@dataclass(frozen=True)
class System:
    """Where all this happens."""

    name: str = field(default_factory=platform.system)
    processor: str = field(default_factory=platform.machine)
    visible: str | None = field(default_factory=lambda: os.environ.get("CUDA_VISIBLE_DEVICES"))
    """NVIDIA GPUs that programs may see; None: all."""


def version_in(text: str | None) -> Version | None:
    """Read a version of CUDA.

    Examples
    --------
    >>> version_in("13.0"), version_in("N/A"), version_in(None)
    ((13, 0), None, None)
    """
    found = re.match(r"(\d+)\.(\d+)", text or "")
    return (int(found[1]), int(found[2])) if found else None


def read_driver(report: str) -> Driver:
    r"""Read the report of ``nvidia-smi -q``.

    Examples
    --------
    >>> read_driver("Driver Version : 535.1\nCUDA Version : 12.2\nGPU 1\n  Product Name : NVIDIA T4")
    Driver(cards=('NVIDIA T4',), version='535.1', cuda=(12, 2), complaint='', capabilities=())
    """
    lines = re.findall(r"^\s*(Product Name|Driver Version|CUDA[\w ]*? Version)\s*:\s*(.+?)\s*$", report, re.M)
    cards = tuple(value for name, value in lines if name == "Product Name")
    facts = {name.split()[0]: value for name, value in lines}
    return Driver(cards, facts.get("Driver", ""), version_in(facts.get("CUDA")))


def ask_driver() -> Driver | None:
    """Ask NVIDIA's driver; None: none is installed."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        report = _run(program, "-q")
    except (OSError, subprocess.SubprocessError) as error:
        return Driver(complaint=_complaint_of(error))
    return replace(read_driver(report), capabilities=_ask_capabilities(program))


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
    return done.stdout


def _complaint_of(error: OSError | subprocess.SubprocessError) -> str:
    if not isinstance(error, subprocess.CalledProcessError):
        return str(error)
    words = (error.stdout + error.stderr).strip().splitlines()
    return words[0] if words else f"nvidia-smi ends with {error.returncode}"


def _ask_capabilities(program: str) -> tuple[Version, ...]:
    """Ask for the compute capabilities of the cards, which old drivers do not tell."""
    try:
        report = _run(program, "--query-gpu=compute_cap", "--format=csv,noheader")
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple((int(major), int(minor)) for major, minor in re.findall(r"^\s*(\d+)\.(\d+)\s*$", report, re.M))


def ask_torch() -> Torch:
    """Ask torch."""
    import torch

    return Torch(
        torch.__version__,
        version_in(torch.version.cuda),
        torch.cuda.is_available(),
        torch.backends.mps.is_available(),
    )


def look_at_graphics(driver: Driver | None, torch: Torch, system: System) -> Finding:
    """Say what computes, and what to do where an NVIDIA card lies idle.

    Examples
    --------
    >>> look_at_graphics(None, Torch("2.13.0+cpu"), System("Linux", "x86_64", None)).found
    'no NVIDIA or Apple GPU: the processor computes (torch 2.13.0+cpu)'
    """
    if torch.cuda_works:
        try:
            return Finding("GPU", _cuda_in_use(driver, torch))
        except RuntimeError as error:  # a full card, one that another program has for itself, a broken driver
            return Finding("GPU", f"NVIDIA, but it fails ({one_line(error)})", cure_of(str(error), driver))
    if torch.mps_works:
        return Finding("GPU", f"Apple GPU (MPS), which shares the memory of the processor (torch {torch.version})")
    if driver is not None:
        return _idle(driver, torch, system)
    if (system.name, system.processor) == ("Darwin", "arm64"):
        cure = "update macOS (14 or later), and Python if it is not one for Apple silicon"
        return Finding("GPU", f"Apple GPU, which torch {torch.version} cannot use", cure)
    return Finding("GPU", f"no NVIDIA or Apple GPU: the processor computes (torch {torch.version})")


def _cuda_in_use(driver: Driver | None, torch: Torch) -> str:
    import torch as library

    free, total = library.cuda.mem_get_info()
    names = [library.cuda.get_device_name(n) for n in range(library.cuda.device_count())]
    version = driver.version if driver is not None and driver.version else "unknown"
    memory = f"{human(free)} of {human(total)} free"
    return f"{', '.join(names)}, {memory}; driver {version}, torch {torch.version} for CUDA {_dotted(torch.cuda)}"


def _idle(driver: Driver, torch: Torch, system: System) -> Finding:
    """Say why a card of NVIDIA is not used."""
    if driver.complaint or not driver.cards:
        found = f"NVIDIA's driver finds no card ({driver.complaint or 'it lists none'})"
        return Finding(
            "GPU", found, f"restart the machine; if that does not help, install the driver anew: {DRIVERS}"
        )
    card = ", ".join(driver.cards)
    can = f"driver {driver.version} runs CUDA up to {_dotted(driver.cuda)}"
    if torch.cuda is None:
        found = f"{card}, not used: torch {torch.version} is built for the processor only ({can})"
        return Finding("GPU", found, _how_to_get_cuda(driver))
    built = f"torch {torch.version} is built for CUDA {_dotted(torch.cuda)}"
    if driver.cuda is not None and driver.cuda[0] < torch.cuda[0]:
        return Finding("GPU", f"{card}, not used: {built}, but {can}", _newer_or_older(driver))
    if system.visible is not None:
        found = f"{card}, hidden: the environment variable CUDA_VISIBLE_DEVICES is {system.visible!r}"
        return Finding("GPU", found, "unset it, unless somebody else is meant to have the card")
    return Finding(
        "GPU", f"{card}, not used, although {built} and {can}", "restart the machine; update the driver"
    )


def _newer_or_older(driver: Driver) -> str:
    """Say what to do about a driver that is too old for the build of torch."""
    newer, older = f"update the driver ({DRIVERS})", _how_to_get_cuda(driver)
    if build_for(driver.cuda, driver.capabilities) is None:
        return newer
    if not BUILDS[0].fits(driver.capabilities):  # a newer driver would not help
        return older
    return f"{newer}, or get an older build. {older}"


def _how_to_get_cuda(driver: Driver) -> str:
    build = build_for(driver.cuda, driver.capabilities)
    if build is None:
        return (
            f"update the driver ({DRIVERS}), then run this check again: this one is too old for any build of torch"
        )
    pip = f'"{sys.executable}" -m pip'
    return (
        f"close napari and run:  {pip} uninstall -y torch  and then:  "
        f"{pip} install torch --index-url {INDEX}{build}  ({CHOOSER} lists other builds)"
    )


def _dotted(version: Version | None) -> str:
    return "unknown" if version is None else f"{version[0]}.{version[1]}"


def cure_of(error: str = "", driver: Driver | None = None) -> str:
    """Say what to do about a device that fails.

    Parameters
    ----------
    error
        What it said.
    driver
        Of NVIDIA, which tells for which cards a build of torch needs kernels.

    Examples
    --------
    >>> cure_of("CUDA error: out of memory")
    'close other programs that use the GPU, or use the device cpu'
    """
    if "no kernel image" in error:
        return f"{_how_to_get_kernels(driver)}; or use the device cpu"
    if "out of memory" in error:
        return "close other programs that use the GPU, or use the device cpu"
    return "update torch and the driver, or use the device cpu"


def _how_to_get_kernels(driver: Driver | None) -> str:
    """Say which build of torch has kernels for the cards."""
    cards = () if driver is None else driver.capabilities
    if driver is None or not cards or not any(b.fits(cards) for b in BUILDS):
        old = f"cu126 if its compute capability is below {_dotted(TURING)}"
        return f"this card needs another build of torch ({CHOOSER}): {old}"
    found = ", ".join(_dotted(c) for c in cards)
    return f"this build of torch has no kernels for compute capability {found}: {_how_to_get_cuda(driver)}"
