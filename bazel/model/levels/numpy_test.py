"""Which of NumPy's functions a trainer may make its data with; see docs/determinism.md."""

import pytest

from bazel.model.levels import levels

# Intel's and AMD's AVX2, and AVX-512, for which NumPy has other kernels of most functions.
CPUS = ("haswell", "zen2", "skylake-server")

DIGESTS = """
import hashlib, numpy as np
numbers = np.random.RandomState(0)
f, d = numbers.rand(20000).astype("f4"), numbers.rand(20000)
m = f.reshape(100, 200)
for expression in {expressions!r}:
    bits = np.ascontiguousarray(eval(expression)).tobytes()
    print(hashlib.sha256(bits).hexdigest(), expression)
"""
PORTABLE = [
    *("f + f", "f * f", "f / d", "np.sqrt(f)", "np.sqrt(d)"),
    *("f.sum()", "m.mean(axis=0)", "m.std(axis=0)", "np.cumsum(d)", "np.hypot(f, f)"),
    *("np.sin(d)", "np.cos(d)", "np.interp(d, [0, 0.5, 1], [0, 0.7, 1])", "np.fft.fft(d)"),
    *("np.random.RandomState(1).standard_normal(10000)", "np.random.RandomState(1).rand(10000)"),
    *(
        "np.random.default_rng(1).standard_normal(10000)",
        "np.random.RandomState(1).permutation(99)",
    ),
]
UNPORTABLE = [
    *("m @ m.T", "np.dot(d, d)", "np.exp(d)", "np.log(d)", "np.log1p(f)", "np.expm1(f)"),
    *("d ** 1.7", "f ** np.float32(1.7)", "np.arctan(f)", "np.arctan2(d, d[::-1])", "np.cbrt(d)"),
]
# What makes these portable too. NumPy obeys when it is imported, so that the environment has to
# have it before a program starts.
AVX2_AT_MOST = {
    "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL "
    "AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
}


def digests(
    cpu: str, expressions: list[str], environment: dict[str, str] | None = None
) -> set[str]:
    """A line for each expression."""
    try:
        at = levels.level(cpu)
    except levels.NotShownError as reason:
        pytest.skip(f"{cpu} cannot be shown here: {reason}")
    program = DIGESTS.format(expressions=expressions)
    return set(levels.run_python(["-c", program], at, environment).splitlines())


@pytest.mark.parametrize("cpu", CPUS[1:])
def test_portable(cpu: str) -> None:
    assert digests(cpu, PORTABLE) == digests(CPUS[0], PORTABLE)


def test_unportable() -> None:
    same = digests("skylake-server", UNPORTABLE) & digests("haswell", UNPORTABLE)
    assert not same


@pytest.mark.parametrize("cpu", CPUS[1:])
def test_settings_that_make_all_portable(cpu: str) -> None:
    expected = digests(CPUS[0], UNPORTABLE, AVX2_AT_MOST)
    assert digests(cpu, UNPORTABLE, AVX2_AT_MOST) == expected
