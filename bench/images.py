"""Time from an edit to a pushed image: this project against buildah and Dockerfiles.

    ./bazelw run //bench:images [-- --rounds 5 --cold-rounds 2 --folder DIR]

Both build the same things from the same mirror on loopback, which is warm, and push to the same
registry on loopback; they take turns, and medians are told. Edits are made in a copy of the
checkout. buildah needs root.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from bazel.image.base import processes
from bazel.image.base.processes import UserError, say
from bazel.image.registry import registry
from bazel.site.settings import Site
from bench.mirror import Mirror, serve
from bench.peer import Buildah, run
from tests.reproduce import copy_checkout

WHEEL = "tqdm"  # it is small, and pure Python
_SERVER = "cc/server/rest.cc"


@dataclass
class Ours:
    """A copy of the checkout, and Bazel with caches of its own."""

    folder: Path
    mirror: str

    def __post_init__(self) -> None:
        self.checkout = self.folder / "checkout"
        shutil.rmtree(self.checkout, ignore_errors=True)
        copy_checkout(Path(os.environ["BUILD_WORKSPACE_DIRECTORY"]), self.checkout)

    def _bazel(self, *words: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = ["./bazelw", f"--output_base={self.folder}/output_base", *words]
        run("our", command, self.folder / "log", os.environ, self.checkout)

    def stop(self) -> None:
        self._bazel("shutdown")

    def reset(self) -> None:
        """No server, no output, no download; the tool stays installed."""
        self.stop()
        for name in ("output_base", "repositories"):
            folder = self.folder / name
            for path, _, _ in os.walk(folder):
                Path(path).chmod(0o755)
            shutil.rmtree(folder, ignore_errors=True)

    def build_and_push(self, target: str, reference: str) -> str:
        digest = self.folder / "digest"
        repository, _, tag = reference.rpartition(":")
        self._bazel(
            "run",
            "--disk_cache=",
            f"--repository_cache={self.folder}/repositories",
            f"--repo_env=DEBIAN_MIRROR={self.mirror}/debian",
            f"--repo_env=PYPI_INDEX={self.mirror}/simple",
            target,
            "--",
            f"--repository={repository}",
            f"--tag={tag}",
            f"--digestfile={digest}",
        )
        return digest.read_text().strip()


@dataclass
class Peer:
    """The contexts of buildah: what one would have beside a Dockerfile."""

    buildah: Buildah

    def __post_init__(self) -> None:
        self.cpp, self.python = (self.buildah.folder / name for name in ("cpp", "python"))
        here = Path(__file__).parent
        for context in (self.cpp, self.python):
            shutil.rmtree(context, ignore_errors=True)
            context.mkdir()
            dockerfile = here / "buildah" / f"{context.name}.Dockerfile"
            shutil.copyfile(dockerfile, context / "Dockerfile")
        shutil.copyfile(here / "predict.cc", self.cpp / "predict.cc")
        shutil.copyfile(os.environ["HEADER"], self.cpp / "paddle_inference_api.h")
        shutil.copytree(os.environ["MODEL"], self.cpp / "model", symlinks=False)

    def take_python(self, ours: Ours) -> None:
        """The programs of our image, and its wheels in the same versions."""
        shutil.copytree(ours.checkout / "python", self.python / "python")
        listed = ours.checkout / "bazel-bin/images/train_core_sbom/contents.json"
        wheels = [part for part in json.loads(listed.read_text()) if part["kind"] == "wheel"]
        lines = sorted(f"{part['name']}=={part['version']}\n" for part in wheels)
        (self.python / "requirements.txt").write_text("".join(lines))


def other_versions(mirror: str, version: str, number: int) -> list[tuple[str, str]]:
    """Versions of WHEEL that are not the given one, and their hashes; the mirror has them then."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{mirror}/simple/{WHEEL}/") as answer:
        text = answer.read().decode()
    link = rf'href="([^"]*/{WHEEL}-([\d.]+)-py3-none-any\.whl)#sha256=([0-9a-f]+)"'
    others = [found for found in re.findall(link, text) if found[1] != version][-number:]
    if len(others) < number:
        raise UserError(f"the index has only {len(others)} other versions of {WHEEL}, not {number}")
    for path, _, _ in others:
        opener.open(mirror + path).read()
    return [(other, sha256) for _, other, sha256 in others]


@dataclass
class Row:
    """What was measured of one thing: seconds, ours and the peer's."""

    title: str
    goal: float | None = None
    seconds: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    digests: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))

    def measure(self, *sides: Callable[[], str] | None) -> None:
        for index, side in enumerate(sides):
            if side is None:
                continue
            start = time.monotonic()
            digest = side()
            self.seconds[index].append(time.monotonic() - start)
            self.digests[index].append(digest)
        say(f"{self.title}: " + ", ".join(f"{times[-1]:.2f} s" for times in self.seconds if times))

    def line(self) -> str:
        ours, theirs = (statistics.median(times) if times else 0 for times in self.seconds)
        goal = f"<= {self.goal}" if self.goal else ""
        ratio = f"{ours / theirs:.2f}" if theirs else ""
        return f"| {self.title} | {ours:.2f} s | {theirs:.2f} s | {ratio} | {goal} |"


class Bench:
    """Both sides, the registry that they push to, and what is edited."""

    def __init__(self, ours: Ours, peer: Peer, port: int) -> None:
        self._ours, self._peer = ours, peer
        self._host = f"localhost:{port}"
        self._edits = count(1)
        self.cold = Row("cold build", 1.0)
        self.nothing = Row("nothing changed", 0.5)
        self.cpp = Row("one line of C++", 0.4)
        self.server = Row("one line of the server, //images:inference", None)
        self.python = Row("one line of Python")
        self.wheel = Row("one wheel changed")
        self.rows = [self.cold, self.nothing, self.cpp, self.server, self.python, self.wheel]

    def _our(self, target: str) -> Callable[[], str]:
        return lambda: self._ours.build_and_push(target, f"{self._host}/ours/image:v1")

    def _their(self, context: Path) -> Callable[[], str]:
        name = context.name
        return lambda: self._peer.buildah.build_and_push(
            name, context, f"docker://{self._host}/theirs/{name}:v1"
        )

    def _edit(self, path: Path, old: str, new: str) -> None:
        """Replaces a pattern; {} in the new text is a number that never comes again."""
        text, replaced = re.subn(old, new.format(next(self._edits)), path.read_text(), count=1)
        if not replaced:
            raise UserError(f"{path} has no line like {old!r} to edit any more")
        path.write_text(text)

    def measure_cold(self, rounds: int, mirror: Mirror) -> None:
        while len(self.cold.seconds[0]) < rounds:
            fetched = mirror.fetched
            self._ours.reset()
            self._peer.buildah.reset()
            self.cold.measure(self._our("//bench:predictor_push"), self._their(self._peer.cpp))
            if mirror.fetched != fetched:
                say("that does not count: the mirror was not warm")
                for values in (*self.cold.seconds, *self.cold.digests):
                    values.pop()

    def measure_cpp(self, rounds: int) -> None:
        ours, theirs = self._our("//bench:predictor_push"), self._their(self._peer.cpp)
        for _ in range(rounds):
            self.nothing.measure(ours, theirs)
            for folder in (self._ours.checkout / "bench", self._peer.cpp):
                self._edit(folder / "predict.cc", r'"(edit \d+ )?%g', '"edit {} %g')
            self.cpp.measure(ours, theirs)

    def measure_server(self, rounds: int) -> None:
        ours = self._our("//images:inference_push")
        ours()
        for _ in range(rounds):
            path = self._ours.checkout / _SERVER
            self._edit(path, r'"(edit \d+ )?unknown path ', '"edit {} unknown path ')
            self.server.measure(ours)
        self.server.seconds[1].extend(self.cpp.seconds[1])  # there is no Dockerfile of the server

    def measure_python(self, rounds: int, mirror: str) -> None:
        ours, theirs = self._our("//images:train_core_push"), self._their(self._peer.python)
        ours()
        self._peer.take_python(self._ours)
        theirs()
        lock = self._ours.checkout / "wheels_lock.json"
        (wheel,) = (w for w in json.loads(lock.read_text())["wheels"] if w["name"] == WHEEL)
        now = wheel["version"], wheel["sha256"]
        # One that never was: buildah has the layers of those that were.
        for then in other_versions(mirror, now[0], rounds):
            for folder in (self._ours.checkout, self._peer.python):
                self._edit(folder / "python/digits/train.py", r'^"""(edit \d+ )?', '"""edit {} ')
            self.python.measure(ours, theirs)
            line = f'"{WHEEL}", "version": "'
            self._edit(lock, f"{line}{now[0]}", f"{line}{then[0]}")
            self._edit(lock, f"{WHEEL}-{now[0]}-", f"{WHEEL}-{then[0]}-")
            self._edit(lock, now[1], then[1])
            pin = f"{WHEEL}=="
            self._edit(self._peer.python / "requirements.txt", pin + now[0], pin + then[0])
            now = then
            self.wheel.measure(ours, theirs)

    def report(self) -> None:
        print(
            "| to a pushed image | ours | buildah | ratio | goal |\n| --- | --- | --- | --- | --- |"
        )
        for row in self.rows:
            if row.seconds[0]:
                print(row.line())
        for name, digests in zip(("ours", "buildah"), self.cold.digests, strict=True):
            if len(digests) > 1:
                same = "the same digest" if len(set(digests)) == 1 else "different digests"
                print(f"{len(digests)} cold builds, {name}: {same}")
        print(f"storage of buildah: {self._peer.buildah.driver}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="images", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="of edits; default: %(default)s")
    parser.add_argument("--cold-rounds", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--folder", type=processes.user_path, help="default: in the user's cache")
    parser.add_argument("--port", type=int, default=8765, help="of the mirror; %(default)s")
    args = parser.parse_args()
    if os.geteuid() != 0:
        raise UserError(
            "buildah needs root here (overlay storage, chroot), and you are not: "
            "`sudo ./bazelw run //bench:images`, on a machine that you can do without"
        )
    folder = args.folder or processes.cache_folder() / "bench"
    site = Site.find(Path(os.environ["BUILD_WORKSPACE_DIRECTORY"]))
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "localhost,127.0.0.1"
    with ExitStack() as stack:
        mirror = stack.enter_context(serve(folder / "mirror", site, args.port))
        shutil.rmtree(folder / "registry", ignore_errors=True)
        program = Path(os.environ["DOCKER_REGISTRY"]).absolute()
        port = stack.enter_context(registry.serve(program, folder / "registry"))
        ours = Ours(folder / "ours", mirror.url)
        stack.callback(ours.stop)
        peer = Peer(Buildah(folder / "buildah", mirror.url))
        say("making the base image of buildah, and what both build from (not measured)")
        peer.buildah.make_base()
        bench = Bench(ours, peer, port)
        stack.callback(bench.report)
        bench.measure_cold(args.cold_rounds, mirror)
        bench.measure_cpp(args.rounds)
        bench.measure_python(args.rounds, mirror.url)
        bench.measure_server(args.rounds)
    return 0


if __name__ == "__main__":
    processes.run_main(main)
