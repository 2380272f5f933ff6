"""Trains and exports every program on many kinds of CPU and in other surroundings, and compares.

Exits 1 if a file differs from what this machine writes by itself. What cannot be shown here is
named at the end. With --inference: runs the built models instead, under the settings that a server
may have, and tells where their bits depend on the CPU and what each setting costs.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from tqdm import tqdm

from bazel.model.levels import altered, levels
from paddle_training import parameters

# The best way to show each CPU here, then what trapping alone would miss: other silicon.
LEVELS = (
    levels.NATIVE,
    *(cpu for cpu in levels.CPUS if cpu != "nehalem"),
    "haswell/qemu",
    "zen2/qemu",
    *levels.SURROUNDINGS,
)

# What no level shows, on any machine.
NEVER_SHOWN = (
    "CPUs without AVX: Paddle's wheel itself uses AVX and ends there with an illegal instruction",
    "how another maker's processor computes RSQRTPS and RCPPS: a trapped CPUID leaves the "
    "instructions as they are, and qemu's are exact",
    "another date: no clock is faked",
)


T = TypeVar("T")


# How a server may run a model: oneDNN or Paddle's own kernels, and what is set in its environment.
ENGINES = {
    "oneDNN": ("onednn", {}),
    "oneDNN, AVX2, COMPATIBLE": (
        "onednn",
        {"ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "COMPATIBLE"},
    ),
    "plain": ("plain", {}),
    "plain, COMPATIBLE": ("plain", {"MKL_CBWR": "COMPATIBLE"}),
}


class Table:
    """Rows on stdout, each as soon as it is known; on a terminal a bar below them."""

    def __init__(self, rows: int, *columns: tuple[str, Sequence[str]]) -> None:
        """Each column with what may stand in it."""
        self._widths = [max(map(len, (title, *values))) for title, values in columns]
        self.bar = tqdm(total=rows, unit="run", disable=None)
        self.row(*(title for title, _ in columns))

    def row(self, *cells: str, red: bool = False) -> None:
        line = "  ".join(f"{c:{w}}" for c, w in zip(cells, self._widths, strict=True)).rstrip()
        if red and sys.stdout.isatty():
            line = click.style(line, fg="red")
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()


def find(names: Sequence[str]) -> tuple[list[levels.Level], dict[str, str]]:
    """The levels of these names, native first, and why others are not shown here."""
    shown = {levels.NATIVE: levels.level(levels.NATIVE)}
    missing = {}
    for name in names:
        try:
            at = levels.level(name)
            shown[at.name] = at
        except levels.NotShownError as reason:
            missing[name] = str(reason)
    return list(shown.values()), missing


def cpu_seconds() -> float:
    """What ended children used up; unlike the time that went by, it bears other programs here."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def verdict(here: Path, there: Path) -> str:
    """`equal`, or which files differ and by how much."""
    mine, theirs = levels.digests(here), levels.digests(there)
    different = [name for name in sorted(mine | theirs) if mine.get(name) != theirs.get(name)]
    if not different:
        return "equal"
    text = f"DIFFERENT: {', '.join(different)}"
    if "model.pdiparams" in different:
        by = parameters.distance(*(folder / "model.pdiparams" for folder in (here, there)))
        text += f"; parameters by {by:.0e} of their length"
    return text


def compare_training(
    chosen: Sequence[levels.Program], names: Sequence[str], without: Sequence[str]
) -> int:
    """How many files' digests differ from those of the native level."""
    shown, missing = find(names)
    table = Table(
        len(chosen) * len(shown),
        ("program", [program.name for program in chosen]),
        ("level", [at.name for at in shown]),
        ("means", [at.means for at in shown]),
        ("files", ["0" * 12]),
        ("CPU s", []),
        ("", []),
    )
    verdicts = []
    with tempfile.TemporaryDirectory() as folder:
        for program in chosen:
            # Some name the model by its folder: all end the same.
            here = Path(folder) / program.name / levels.NATIVE / "out"
            for at in shown:
                table.bar.set_description(f"{program.name} on {at.name}")
                out = Path(folder) / program.name / at.name.replace("/", "-") / "out"
                start = cpu_seconds()
                try:
                    files = levels.train(program, at, out, without)
                except levels.NotShownError as reason:
                    missing[f"{program.name} on {at.name}"] = str(reason)
                except levels.ProgramError as error:
                    if not without:
                        raise
                    # It may need what was taken away, as slimming needs the network of its model.
                    why = str(error).splitlines()[-1]
                    missing[f"{program.name} on {at.name}"] = f"it fails without that: {why}"
                else:
                    seconds = f"{cpu_seconds() - start:.1f}"
                    digest = hashlib.sha256(json.dumps(files).encode()).hexdigest()[:12]
                    result = "" if out == here else verdict(here, out)
                    verdicts += [result] if result else []
                    red = result.startswith("DIFFERENT")
                    table.row(program.name, at.name, at.means, digest, seconds, result, red=red)
                table.bar.update()
    table.bar.close()
    tell_missing(missing)
    different = len(verdicts) - verdicts.count("equal")
    click.echo(f"{verdicts.count('equal')} equal, {different} different")
    return different


def compare_inference(
    models: dict[str, tuple[Path, Path]], names: Sequence[str], rounds: int
) -> None:
    """Prints the digests of a model's outputs, then what each engine costs here."""
    shown, missing = find([name for name in names if name not in levels.SURROUNDINGS])
    table = Table(
        len(models) * len(shown),
        ("model", list(models)),
        ("level", [at.name for at in shown]),
        ("means", [at.means for at in shown]),
        *((engine, ["0" * 12]) for engine in ENGINES),
    )
    program = Path(levels.__file__).with_name("infer.py")

    def infer(model: str, at: levels.Level, engine: str, seconds: int) -> dict[str, Any]:
        kind, environment = ENGINES[engine]
        found = levels.run_python([program, *models[model], kind, str(seconds)], at, environment)
        return dict(json.loads(found))

    lines = []
    for model in models:
        digests: dict[str, set[str]] = {engine: set() for engine in ENGINES}
        for at in shown:
            table.bar.set_description(f"{model} on {at.name}")
            found = {engine: str(infer(model, at, engine, 0)["digest"])[:12] for engine in ENGINES}
            for engine, digest in found.items():
                digests[engine].add(digest)
            table.row(model, at.name, at.means, *found.values())
            table.bar.update()
        # By turns: what else this machine does meanwhile bears on all of them.
        times = [
            {engine: float(infer(model, shown[0], engine, 1)["milliseconds"]) for engine in ENGINES}
            for _ in range(rounds)
        ]
        medians = {engine: statistics.median(t[engine] for t in times) for engine in ENGINES}
        lines.append(f"{model}, CPU time of one row on this machine:")
        for engine, median in medians.items():
            ratio = median / medians["oneDNN"]
            answers = len(digests[engine])
            bits = "the same bits everywhere" if answers == 1 else f"{answers} kinds of bits"
            lines.append(f"  {engine:24}  {median:7.3f} ms  {ratio:5.2f} x  {bits}")
    table.bar.close()
    click.echo("\n".join(lines))
    tell_missing(missing)


def tell_missing(missing: dict[str, str]) -> None:
    click.echo("not shown here:")
    for name, reason in missing.items():
        click.echo(f"  {name}: {reason}")
    for sentence in NEVER_SHOWN:
        click.echo(f"  {sentence}")


def programs(steps: int | None) -> dict[str, levels.Program]:
    """Those of tests/BUILD.bazel, by name: each line has the name, the program, its arguments."""
    found = {}
    for line in os.environ["PROGRAMS"].splitlines():
        name, start, *arguments = line.split()
        path = Path(start).absolute()
        arguments = [absolute(argument) for argument in arguments]
        arguments += [f"--steps={steps}"] if steps else []  # the last one counts
        found[name] = levels.Program(name, path, path.with_name(f"{path.name}.py"), arguments)
    return found


def absolute(argument: str) -> str:
    """--OPTION=PATH as it is meant in any working directory; other arguments as they are."""
    option, _, value = argument.partition("=")
    return f"{option}={Path(value).absolute()}" if value and Path(value).exists() else argument


def models() -> dict[str, tuple[Path, Path]]:
    """Model and samples of tests/BUILD.bazel, by name."""
    pairs = [line.split() for line in os.environ["MODELS"].splitlines()]
    return {Path(a).name: (Path(a).absolute(), Path(b).absolute()) for a, b in pairs}


def only(known: dict[str, T], chosen: Sequence[str]) -> dict[str, T]:
    """What was asked for; everything, if nothing was."""
    for name in chosen:
        if name not in known:
            raise click.UsageError(f"There is no {name}: take one of {', '.join(known)}.")
    return {name: thing for name, thing in known.items() if name in chosen or not chosen}


@click.command(help=__doc__)
@click.option(
    "--program",
    "chosen",
    multiple=True,
    metavar="NAME",
    help="Only this program or model; may be repeated.",
)
@click.option(
    "--level",
    "names",
    multiple=True,
    metavar="NAME",
    help=f"Only this level and the native one; may be repeated. One of {', '.join(LEVELS)}.",
)
@click.option(
    "--without",
    multiple=True,
    type=click.Choice(altered.SETTINGS),
    help="Take this away first, to see what it is for; may be repeated.",
)
@click.option("--steps", type=click.IntRange(1), help="Train so many steps, not a few.")
@click.option("--inference", is_flag=True, help="Run the built models instead of training.")
@click.option(
    "--rounds",
    default=3,
    show_default=True,
    type=click.IntRange(1),
    help="With --inference: how often to measure each engine's time.",
)
def main(
    chosen: tuple[str, ...],
    names: tuple[str, ...],
    without: tuple[str, ...],
    steps: int | None,
    inference: bool,
    rounds: int,
) -> None:
    """Its help text is this file's."""
    if inference and (without or steps):
        raise click.UsageError("--inference trains nothing: drop --without and --steps.")
    different = 0
    try:
        if inference:
            compare_inference(only(models(), chosen), names or LEVELS, rounds)
        else:
            trainers = list(only(programs(steps), chosen).values())
            different = compare_training(trainers, names or LEVELS, without)
    except levels.NoSuchLevelError as error:
        raise click.UsageError(str(error)) from error
    except levels.ProgramError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
