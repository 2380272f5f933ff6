"""`gpu-check`: says what an image sees of GPUs, and what is missing."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import click

# The same as those of the C++ server's `gpu-check`; docs/images.md tells of them.
WORKS, NO_GPU, NO_CUDA, BROKEN = 0, 3, 4, 5

_MEND_DRIVER = (
    "On the host install NVIDIA's driver (450.80.02 or newer) and the NVIDIA Container Toolkit, "
    "and start the container with `docker run --gpus all` (Kubernetes: a limit of "
    "nvidia.com/gpu)."
)
# The oldest driver that runs programs of CUDA 11, as cuDriverGetVersion tells it.
_OLDEST_DRIVER = 11000
# https://docs.nvidia.com/cuda/cuda-driver-api, CUresult: what to do about it.
_CU_NO_DEVICE = 100
_CU_ERRORS = {
    _CU_NO_DEVICE: "the driver is here, but no device: NVIDIA_VISIBLE_DEVICES hides them all, or "
    "the container was given none",
    802: "NVSwitch is not ready: is nvidia-fabricmanager running on the host?",
    803: "the driver's library and its kernel module are of different versions: reboot the host, "
    "or install the driver again",
    804: "the driver's library in the container does not fit the host's GPU",
}
_COMPUTE_MAJOR, _COMPUTE_MINOR = 75, 76  # CUdevice_attribute
# What paddlepaddle-gpu 2.6.2 holds machine code for; //tests:gpu_test reads its libphi.so.
ARCHITECTURES = ((6, 1), (7, 0), (7, 5), (8, 0), (8, 6))

_TRIAL = """\
import sys, warnings
import numpy
import paddle

def run(device):
    paddle.device.set_device(device)
    paddle.seed(1)
    x, w = (
        paddle.to_tensor(numpy.linspace(-1, 1, numpy.prod(shape)).reshape(shape).astype("float32"))
        for shape in ((2, 3, 16, 16), (8, 3, 3, 3))
    )
    y = paddle.nn.functional.relu(paddle.nn.functional.conv2d(x, w)).flatten(1)
    return (y @ y.T).numpy()

warnings.simplefilter("ignore")
there, here = run(sys.argv[1]), run("cpu")
if not numpy.allclose(there, here, rtol=1e-3):
    sys.exit(f"its results differ from the CPU's: {there.tolist()}, not {here.tolist()}")
"""


@dataclass(frozen=True)
class Device:
    """A GPU as the driver tells of it."""

    index: int
    name: str
    capability: tuple[int, int]
    memory: int  # bytes

    def __str__(self) -> str:
        major, minor = self.capability
        return (
            f"GPU {self.index}     {self.name}, compute capability {major}.{minor}, "
            f"{self.memory / 1e9:.0f} GB"
        )


class DriverError(Exception):
    """Why the driver cannot be used; `code` is what the program ends with."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


class Driver:
    """The driver's library, which comes from the host."""

    def __init__(self, name: str = "libcuda.so.1") -> None:
        try:
            self._cuda = ctypes.CDLL(name)
        except OSError as error:
            raise DriverError(NO_GPU, f"no driver: {error}. {_MEND_DRIVER}") from error
        if code := self._cuda.cuInit(0):
            text = _CU_ERRORS.get(code, f"the driver does not start: CUDA error {code}")
            raise DriverError(
                NO_GPU if code == _CU_NO_DEVICE else BROKEN, f"{text}. {_MEND_DRIVER}"
            )

    def _number(self, function: str, *arguments: int) -> int:
        number = ctypes.c_int()
        if code := getattr(self._cuda, function)(ctypes.byref(number), *arguments):
            raise DriverError(BROKEN, f"{function} fails with CUDA error {code}")
        return number.value

    @property
    def version(self) -> int:
        """The newest CUDA that the driver knows, 1000 times its major version and 10 its minor."""
        return self._number("cuDriverGetVersion")

    def devices(self) -> list[Device]:
        return [self._device(index) for index in range(self._number("cuDeviceGetCount"))]

    def _device(self, index: int) -> Device:
        handle = self._number("cuDeviceGet", index)
        name, memory = ctypes.create_string_buffer(256), ctypes.c_size_t()
        self._cuda.cuDeviceGetName(name, len(name), handle)
        self._cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), handle)
        major, minor = (
            self._number("cuDeviceGetAttribute", attribute, handle)
            for attribute in (_COMPUTE_MAJOR, _COMPUTE_MINOR)
        )
        return Device(index, name.value.decode(errors="replace"), (major, minor), memory.value)


def has_code(capability: tuple[int, int]) -> bool:
    """Whether Paddle runs there: machine code does on the same major version, from its minor on."""
    return any(major == capability[0] and minor <= capability[1] for major, minor in ARCHITECTURES)


def try_device(index: int) -> str:
    """Convolves and multiplies on a device; gives what went wrong, or nothing.

    In a process of its own: where something is amiss with a driver, Paddle ends the process.
    """
    done = subprocess.run(
        [sys.executable, "-c", _TRIAL, f"gpu:{index}"], capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return "" if done.returncode == 0 else (lines or [f"exit code {done.returncode}"])[-1]


def check_devices(
    driver: Driver, say: Callable[[str], None], trial: Callable[[int], str] = try_device
) -> int:
    """Tells of the driver and tries every device; gives the exit code."""
    version = driver.version
    say(f"driver    for CUDA {_version(version)}")
    if version < _OLDEST_DRIVER:
        say(f"          too old: CUDA 11 needs 450.80.02 or newer. {_MEND_DRIVER}")
        return BROKEN
    devices = driver.devices()
    if not devices:
        say(f"devices   none. {_MEND_DRIVER}")
        return NO_GPU
    broken = 0
    for device in devices:
        if has_code(device.capability):
            trouble = trial(device.index)
        else:
            known = ", ".join(f"{major}.{minor}" for major, minor in ARCHITECTURES)
            trouble = f"this Paddle has no code for it, only for compute capability {known}"
        say(f"{device}: {trouble or 'a convolution and a product there equal the CPU'}")
        broken += bool(trouble)
    if broken:
        say(f"result    {broken} of {len(devices)} devices do not work: see above")
        return BROKEN
    say(f"result    all {len(devices)} devices work: Paddle takes GPU 0 where nothing is said")
    return WORKS


@click.command("gpu-check")
def gpu_check() -> None:
    """Says what is here of GPUs: driver, devices, versions, a tensor on each, or what is missing.

    Exit codes: 0 every device works; 3 there is no GPU, or no driver; 4 this Paddle is built for
    CPUs only; 5 a device or the driver does not work. Without a GPU Paddle runs on the CPU.
    """
    warnings.simplefilter("ignore")  # Paddle's own about a missing device
    import paddle

    if not paddle.is_compiled_with_cuda():
        click.echo(
            f"Paddle    {paddle.__version__}, for CPUs only. The image `train_gpu` has the one for "
            "GPUs."
        )
        sys.exit(NO_CUDA)
    cudnn = paddle.device.get_cudnn_version() or 0
    click.echo(
        f"Paddle    {paddle.__version__}, with CUDA {paddle.version.cuda()} and cuDNN "
        f"{cudnn // 1000}.{cudnn % 1000 // 100}.{cudnn % 100}"
    )
    try:
        code = check_devices(Driver(), click.echo)
    except DriverError as error:
        click.echo(f"driver    {error}")
        code = error.code
    if code == NO_GPU:
        click.echo("result    no GPU: Paddle runs on the CPU here")
    sys.exit(code)
