"""Writes one HTML page about all images: what takes the space, what is inside, what has changed.

    ./bazelw run //images:report -- [--out FILE] [--against REVISION|REFERENCE] [--offline]

The page needs nothing but itself. REVISION is one of git: the images are built there, in a worktree
in the user's cache. REFERENCE is a pushed image, HOST/NAME@DIGEST or HOST/NAME:TAG.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2

from bazel.debian.archive.archive import ArchiveError, Channel, Verifier
from bazel.debian.archive.security import Index, fetch
from bazel.image.attest import security
from bazel.image.base import processes
from bazel.image.base.processes import UserError, say
from bazel.image.oci.layout import Image
from bazel.image.registry.skopeo import Skopeo
from bazel.image.report import against, changes, facts, treemap, updates
from bazel.image.report.facts import Facts, Layer
from bazel.image.report.treemap import Node
from bazel.site.settings import debian_security_mirrors

# Drawings for narrow, middling and wide windows: their labels are read at this scale.
DRAWINGS = {"narrow": (360, 620), "middling": (740, 480), "wide": (1120, 460)}
_KINDS = {
    "os": "system",
    "deb": "deb",
    "wheel": "wheel",
    "vendored": "in a wheel",
    "model": "model",
    "program": "program",
    "file": "files",
}


@dataclass
class Survey:
    """What a layer's archive lists: path -> size, Debian's packages; `unpacked` is its own size."""

    files: dict[str, int] = field(default_factory=dict)
    debs: list[updates.Installed] = field(default_factory=list)
    unpacked: int = 0


@dataclass(frozen=True)
class Subject:
    """An image of the report."""

    target: str
    image: Image
    facts: Facts
    owners: dict[str, tuple[str, str, str]]  # path -> kind, name, version
    budget: dict[str, int]  # unpacked_mb, compressed_mb
    surveys: list[Survey]

    @property
    def name(self) -> str:
        return self.facts.name

    @property
    def unpacked(self) -> int:
        return sum(survey.unpacked for survey in self.surveys)


@dataclass(frozen=True)
class SharedLayer:
    """A layer of the family, and the names of the images that have it."""

    layer: Layer
    unpacked: int
    images: list[str]


def survey(image: Image, index: int) -> Survey:
    """Reads a layer once; its bytes are held to their digest."""
    found = Survey()
    for member, content in image.open_layer(index):
        end = member.offset_data + -(-member.size // 512) * 512
        found.unpacked = max(found.unpacked, end if content else member.offset_data)
        if content is None:
            continue
        path = member.name.rstrip("/")
        found.files[path] = member.size
        if updates.is_status(path):
            found.debs.append(updates.installed(content.read()))
    return found


def read_subjects(args: argparse.Namespace) -> list[Subject]:
    """The images that the target of the report names."""
    paths: dict[str, dict[str, Path]] = {}
    for what in ("image", "sbom", "budget"):
        for target, path in (word.split("=", 1) for word in getattr(args, what)):
            paths.setdefault(target, {})[what] = Path(path)
    images = {target: Image(files["image"]) for target, files in paths.items()}
    layers = {
        layer["digest"]: (image, index)
        for image in images.values()
        for index, layer in enumerate(image.layers)
    }
    say(f"reading {len(layers)} layers of {len(images)} images")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        read = pool.map(lambda which: survey(*which), layers.values())
        surveys = dict(zip(layers, read, strict=True))
    subjects = []
    for target, image in images.items():
        files = paths[target]
        name = target.rpartition(":")[2]
        components = json.loads((files["sbom"] / "contents.json").read_text())
        owners = {
            path: (
                c["kind"],
                facts.group(c["name"]) if c["kind"] == "file" else c["name"],
                c["version"] if c["kind"] != "file" else "",
            )
            for c in components
            for path in c["files"]
        }
        subjects.append(
            Subject(
                target,
                image,
                facts.of_layout(name, files["image"], files["sbom"]),
                owners,
                json.loads(files["budget"].read_text()),
                [surveys[layer["digest"]] for layer in image.layers],
            )
        )
    return subjects


# The treemap


def megabytes(size: float) -> str:
    """A size for people; in units of 1,000,000 bytes, as budgets are; small ones in kB."""
    if size < 1000:
        return f"{size:.0f} B"
    if size < 99_500:
        return f"{size / 1e3:.0f} kB"
    return f"{size / 1e6:,.0f} MB" if size >= 99.5e6 else f"{size / 1e6:.1f} MB"


def layer_node(subject: Subject, index: int) -> Node:
    """A layer with its components; files of more than a hundredth of the image stand alone."""
    layer, files = subject.facts.layers[index], subject.surveys[index].files
    large = subject.unpacked / 100
    sizes: dict[tuple[str, str, str], int] = {}
    nodes: list[Node] = []
    for path, size in files.items():
        owner = subject.owners.get(path, ("file", "/" + path, ""))
        if size >= large:
            title = f"/{path}\n{_described(*owner)}\n{_share(size, subject)}"
            nodes.append(Node(path.rpartition("/")[2], title, size, layer.history))
        else:
            sizes[owner] = sizes.get(owner, 0) + size
    small = {o: s for o, s in sizes.items() if s < large / 10}
    for owner, size in sizes.items():
        if owner not in small:
            label = owner[1].rpartition("/")[2] if owner[0] == "file" else owner[1]
            title = f"{_described(*owner)}\n{_share(size, subject)}"
            nodes.append(Node(label, title, size, layer.history))
    if small:
        names = ", ".join(sorted(name for _, name, _ in small)[:12]) + ", …" * (len(small) > 12)
        total = sum(small.values())
        label = f"{len(small)} more" if nodes else f"{len(small)} small"
        title = f"{len(small)} small ones: {names}\n{_share(total, subject)}"
        nodes.append(Node(label, title, total, layer.history))
    unpacked = sum(files.values())
    title = f"Layer: {layer.history}\n{_share(unpacked, subject)}"
    title += f", {megabytes(layer.compressed)} compressed"
    return Node(layer.history, title, unpacked, layer.history, nodes)


def _described(kind: str, name: str, version: str) -> str:
    return " ".join(filter(None, (_KINDS[kind], name, version)))


def _share(size: int, subject: Subject) -> str:
    return f"{megabytes(size)}, {100 * size / (subject.unpacked or 1):.1f} % of {subject.name}"


def drawings(subject: Subject) -> list[dict[str, Any]]:
    nodes = [layer_node(subject, index) for index in range(len(subject.surveys))]
    return [
        {"name": name, "width": w, "height": h, "boxes": treemap.layout(nodes, w, h)}
        for name, (w, h) in DRAWINGS.items()
    ]


# The tables


def shared_layers(subjects: Sequence[Subject]) -> list[SharedLayer]:
    """Every layer once, the lowest first; the image with the most layers gives the order."""
    order: list[str] = []
    known: dict[str, SharedLayer] = {}
    for subject in sorted(subjects, key=lambda s: -len(s.surveys)):
        at = 0
        for layer, read in zip(subject.facts.layers, subject.surveys, strict=True):
            if layer.digest in known:
                at = order.index(layer.digest) + 1
            else:
                known[layer.digest] = SharedLayer(layer, read.unpacked, [])
                order.insert(at, layer.digest)
                at += 1
            known[layer.digest].images.append(subject.name)
    return [known[digest] for digest in order]


def package_rows(subjects: Sequence[Subject]) -> list[dict[str, Any]]:
    """A row for each package of the family; its size may differ from image to image."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for subject in subjects:
        for p in subject.facts.packages:
            row = rows.setdefault(
                (p.kind, p.name, p.version),
                {"kind": _KINDS[p.kind], "name": p.name, "version": p.version, "sizes": {}},
            )
            row["licences"] = list(p.licences)
            row["sizes"][subject.name] = row["sizes"].get(subject.name, 0) + p.size
    return sorted(rows.values(), key=lambda row: (-max(row["sizes"].values()), row["name"]))


def update_rows(subjects: Sequence[Subject], index: Index) -> list[dict[str, Any]]:
    """The pending updates, each with the images that it concerns."""
    concerned: dict[updates.Update, list[str]] = {}
    for subject in subjects:
        debs = [deb for read in subject.surveys for deb in read.debs]
        for update in updates.pending(debs, index.packages):
            concerned.setdefault(update, []).append(subject.name)
    ordered = sorted(concerned.items(), key=lambda item: (item[0].source, item[0].name))
    return [{"entry": update, "images": images} for update, images in ordered]


def pending(subjects: Sequence[Subject], args: argparse.Namespace) -> dict[str, Any]:
    """What is told of security updates: rows, or why there are none."""
    if args.offline:
        return {"problem": "Not asked for: the report was made with --offline.", "rows": []}
    lock = json.loads(args.security_lock.read_text())
    if not lock["channel"]:
        return {"problem": "debian.yaml names no suite of security updates.", "rows": []}
    keyring = args.keyrings / "usr/share/keyrings/debian-archive-keyring.gpg"
    verifier = Verifier(str(args.gpgv), str(args.keyring or keyring))
    channel = Channel.parse(lock["channel"])
    try:
        index = fetch(debian_security_mirrors(), channel, verifier, say)
    except ArchiveError as error:
        return {"problem": str(error), "rows": []}
    count = sum(len(read.debs) for read in {id(r): r for s in subjects for r in s.surveys}.values())
    rows = update_rows(subjects, index)
    locked = {(entry["name"], entry["version"]) for entry in lock["packages"]}
    return {
        "origin": f"{index.origin} {channel.suite}",
        "notes": index.notes,
        "count": count,
        "rows": rows,
        "locked": sum((row["entry"].name, row["entry"].pending) in locked for row in rows),
        "lock_date": lock["date"],
    }


def since(subjects: Sequence[Subject], args: argparse.Namespace) -> list[changes.Changes]:
    """What has changed in each image, where that was asked for."""
    now = {subject.target: subject.facts for subject in subjects}
    if not args.against:
        return []
    if against.is_reference(args.against):
        skopeo = Skopeo(args.skopeo, args.authfile, args.insecure)
        target, before = against.pushed(skopeo, args.against)
        if target not in now:
            raise UserError(
                f"{args.against} was built from {target}, which is none of {', '.join(now)}"
            )
        return [changes.compare(now[target].name, before, now[target])]
    workspace = os.environ.get("BUILD_WORKSPACE_DIRECTORY")
    if not workspace:
        raise UserError("a revision is compared by `./bazelw run //images:report -- --against ...`")
    patched = bool(security.updates_of(subjects[0].image))
    built = against.built(Path(workspace), args.against, list(now), patched)
    return [changes.compare(f.name, built.get(target), f) for target, f in now.items()]


# The page


def revision() -> str:
    """The commit that is checked out, and whether it is what was built; "" outside of git."""
    folder = os.environ.get("BUILD_WORKSPACE_DIRECTORY")
    if not folder:
        return ""
    command = ["git", "-C", folder, "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return processes.run(command).stdout.decode().strip()
    except FileNotFoundError:
        return ""


def hues(layers: Sequence[SharedLayer]) -> dict[str, int]:
    """A hue for each layer, in the order of the layers: from blue over green to red."""
    names = list(dict.fromkeys(shared.layer.history for shared in layers))
    return {name: round(255 - at * 290 / max(len(names), 6)) % 360 for at, name in enumerate(names)}


def page(
    subjects: Sequence[Subject],
    told: dict[str, Any],
    differences: Sequence[changes.Changes],
    compared: str,
) -> str:
    """The whole page."""
    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["megabytes"] = megabytes
    environment.filters["signed"] = signed
    environment.filters["kind"] = lambda kind: _KINDS[kind]
    layers = shared_layers(subjects)
    text: str = environment.get_template("report.html.jinja").render(
        subjects=[
            {
                "subject": s,
                "annotations": s.image.manifest.get("annotations", {}),
                "drawings": drawings(s),
                "gauges": list(gauges(s)),
                "own": sum(x.layer.compressed for x in layers if x.images == [s.name]),
                "updates": sum(s.name in row["images"] for row in told["rows"]),
            }
            for s in subjects
        ],
        names=[s.name for s in subjects],
        layers=layers,
        hues=hues(layers),
        apart=sum(s.facts.compressed for s in subjects),
        together=stored(subjects),
        packages=package_rows(subjects),
        security=told,
        updates_inside=security.updates_of(subjects[0].image),
        differences=differences,
        compared=compared,
        revision=revision(),
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
    )
    return text


def counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def signed(size: int) -> str:
    return ("+" if size > 0 else "\N{MINUS SIGN}" if size < 0 else "±") + megabytes(abs(size))


def gauges(subject: Subject) -> Iterator[dict[str, Any]]:
    """Sizes against budgets."""
    for what, size in (("unpacked", subject.unpacked), ("compressed", subject.facts.compressed)):
        limit = subject.budget.get(f"{what}_mb", 0) * 1_000_000
        yield {"what": what, "size": size, "limit": limit, "over": bool(limit) and size > limit}


def stored(subjects: Sequence[Subject]) -> int:
    """Bytes that a registry keeps of the family: every layer once, configs and manifests."""
    layers = {layer.digest: layer.compressed for s in subjects for layer in s.facts.layers}
    rest = {
        s.facts.digest: s.facts.compressed
        - sum({layer.digest: layer.compressed for layer in s.facts.layers}.values())
        for s in subjects
    }
    return sum(layers.values()) + sum(rest.values())


def summary(
    subjects: Sequence[Subject], told: dict[str, Any], differences: Sequence[changes.Changes]
) -> Iterator[str]:
    """A few lines of the page, for the terminal."""
    for s in subjects:
        over = "".join(f"   OVER ITS BUDGET {g['what']}" for g in gauges(s) if g["over"])
        sizes = f"{megabytes(s.unpacked)} ({megabytes(s.facts.compressed)} compressed)"
        yield f"{s.name:<13}{sizes}, {len(s.facts.layers)} layers{over}"
    apart, together = sum(s.facts.compressed for s in subjects), stored(subjects)
    yield f"{'stored':<13}{megabytes(together)} in place of {megabytes(apart)}"
    date = security.updates_of(subjects[0].image)
    made = f"with the security updates of {date}" if date else "without security updates"
    yield f"{'made':<13}{made}"
    if "problem" in told:
        yield f"{'updates':<13}not known: {told['problem']}"
    else:
        names = sorted({row["entry"].name for row in told["rows"]})
        what = counted(len(names), "security update") if names else "no security updates"
        yield f"{'updates':<13}{what} pending{': ' if names else ''}{', '.join(names)}"
    for change in differences:
        words = "equal" if change.equal else f"{counted(len(change.packages), 'package')} changed"
        if change.before is None:
            words = "was not there"
        elif not change.equal:
            words += f", {counted(len(change.layers), 'layer')}, {megabytes(change.pulled)} to pull"
        yield f"{'changes':<13}{change.name}: {words}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="report", allow_abbrev=False, description=__doc__)
    for name in ("skopeo", "gpgv", "keyrings", "security-lock"):
        parser.add_argument("--" + name, type=Path, required=True, help=argparse.SUPPRESS)
    for name in ("image", "sbom", "budget"):
        parser.add_argument("--" + name, action="append", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--keyring", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", default="images.html", help="file to write; default: %(default)s")
    parser.add_argument("--against", metavar="X", help="git revision, or pushed image, to compare")
    parser.add_argument("--offline", action="store_true", help="ask for no security updates")
    parser.add_argument("--authfile", type=processes.user_path, help="file of logins")
    parser.add_argument("--insecure", action="store_true", help="accept HTTP and any certificate")
    args = parser.parse_args()
    out = processes.user_path(args.out)
    if not out.parent.is_dir():
        raise UserError(f"{out.parent} is no folder: give `-- --out FILE` in one that is there")
    subjects = read_subjects(args)
    differences = since(subjects, args)
    told = pending(subjects, args)
    out.write_text(page(subjects, told, differences, args.against or ""), "utf-8")
    print(f"{'report':<13}{out}")
    for line in summary(subjects, told, differences):
        print(line)
    return 0


if __name__ == "__main__":
    processes.run_main(main)
