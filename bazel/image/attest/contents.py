"""What is in an image, told by the image itself: Debian packages, wheels, models and programs.

Debian packages say so in /var/lib/dpkg/status.d (as in images without a package manager), wheels in
*.dist-info/METADATA, models in metadata.json of /models/NAME/VERSION (/models/VERSION where there
is no other); programs are the files of /app/bin and /app/lib. A file that none of them accounts for
is a component of its own, so nothing in an image goes unnamed. The system tells itself by
os-release.

All that is asked of the files was told by the actions that wrote the layers; see layer_contents.py.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path, PurePosixPath
from typing import Any

from bazel.image.attest import debian, wheels
from bazel.image.attest.components import Component, File, below, fields_of, json_of
from bazel.image.layer.layer_contents import LayerContents, is_text
from bazel.image.oci.layout import LIMITS, Image, ImageError, Limits

_LINKS = 40  # that follow each other, as in Linux
_MODEL = re.compile(r"(models/(?:([^/]+)/)?([^/]+))/metadata\.json")


def read(image: Image, limits: Limits = LIMITS) -> list[LayerContents]:
    """What is in the layers of an image by their archives, for who trusts nobody's word."""
    layers = []
    if len(image.layers) > limits.layers:
        raise ImageError(f"the image has more than {limits.layers:,} layers")
    unpacked, entries, texts = limits.unpacked, limits.entries, limits.texts
    for index, layer in enumerate(image.layers):
        diff_id = image.config["rootfs"]["diff_ids"][index]
        found = LayerContents(digest=layer["digest"], diff_id=diff_id)
        for member, content in image.open_layer(index, unpacked):  # checks digest and diff id
            whole, text, keep = hashlib.sha256(), b"", is_text(member.name)
            entries -= 1
            texts -= len(member.name) + len(member.linkname) + (member.size if keep else 0)
            if entries < 0:
                raise ImageError(f"the image has more than {limits.entries:,} entries")
            if texts < 0 or (keep and member.size > limits.text):
                raise ImageError(f"/{member.name} of {member.size:,} bytes is too much to remember")
            while block := content.read(1 << 20) if content else b"":
                whole.update(block)
                unpacked -= len(block)
                text += block if keep else b""
            found.add(member, whole.hexdigest(), text)
        layers.append(found)
    return layers


def of_image(image: Image, layers: Iterable[LayerContents]) -> list[LayerContents]:
    """What was told of an image's layers, from the lowest; refuses what is of other layers."""
    told = list(layers)
    digests = [layer["digest"] for layer in image.layers]
    if [layer.digest for layer in told] != digests:
        raise ImageError(f"{image.layout} has other layers than those whose contents are given")
    return told


def merge(layers: Iterable[LayerContents]) -> tuple[dict[str, File], dict[str, str]]:
    """All regular files of an image, and the contents of those that tell what is in it."""
    files: dict[str, File] = {}
    texts: dict[str, str] = {}
    links: dict[str, str] = {}
    gone = set[str]()
    # From the uppermost, so that each file is looked at once, however many layers remove some.
    for index, layer in reversed(list(enumerate(layers))):
        for path, facts in layer.files.items():
            if path not in files and not (gone and _is_gone(path, gone)):
                files[path] = File(index, *facts)
                if path in layer.texts:
                    texts[path] = layer.texts[path]
        for link, target in layer.doc_links.items():
            if not _is_gone(link, gone):
                links.setdefault(link, target)
        gone.update(layer.gone)
    for link, target in links.items():  # packages of one source share a folder
        for _ in range(_LINKS):
            target = links.get(target, target)
        if f"{target}/copyright" in texts:
            texts[f"{link}/copyright"] = texts[f"{target}/copyright"]
    return files, texts


def _is_gone(path: str, gone: Set[str]) -> bool:
    """Whether it, or a folder that it is in, is among those; the root is empty."""
    while path and path not in gone:
        path = path.rpartition("/")[0]
    return path in gone


def locked(locks: Iterable[Path], kind: str) -> dict[str, list[Any]]:
    """What several locks have, as one: their `packages` or `wheels`."""
    return {kind: [entry for lock in locks for entry in json.loads(lock.read_text())[kind]]}


def components(
    image: Image,
    layers: Iterable[LayerContents],
    debian_lock: Mapping[str, Any],
    wheels_lock: Mapping[str, Any],
) -> list[Component]:
    """What the image holds, by kind and name; every regular file belongs to one of them."""
    files, texts = merge(of_image(image, layers))
    found = [*debian.systems(texts), *debian.packages(texts, debian_lock)]
    found += wheels.wheels_of(texts, wheels_lock, files, image.architecture)
    found += [*_models(texts, files), *_programs(image, files)]
    owners: dict[str, Component] = {}
    for component in found:
        for path in component.files:
            owners.setdefault(path, component)
    folders = _folders_of_wheels(owners)
    for path in files.keys() - owners.keys():
        if owner := _beside(path, owners) or folders.get(posixpath.dirname(path)):
            owners[path] = owner
    rest = sorted(files.keys() - owners.keys())
    sources = [path for path in rest if path.startswith("app/")]
    for component in _sources(image, files, sources):
        owners |= dict.fromkeys(component.files, component)
        found.append(component)
    for path in sorted(files.keys() - owners.keys()):
        owners[path] = Component("file", "/" + path, "0", [], sha256=files[path].sha256)
        found.append(owners[path])
    for component in found:
        if component.kind == "vendored" and component.source:
            component.within = owners[component.source].purl
    own: dict[int, list[str]] = {id(component): [] for component in found}
    for path in sorted(files):
        own[id(owners[path])].append(path)
    for component in found:
        component.files = own[id(component)]
        component.size = sum(files[p].size for p in component.files)
        component.layers = dict(sorted(Counter(files[p].layer for p in component.files).items()))
    return [*found, *wheels.vendored(found, files, texts, image.architecture)]


def _models(texts: Mapping[str, str], files: Mapping[str, File]) -> Iterator[Component]:
    ordered = sorted(files)
    for path in sorted(texts):
        if not (matched := _MODEL.fullmatch(path)):
            continue
        folder, name, version = matched.groups()
        metadata = json_of(texts, path)
        own = list(below(ordered, folder))
        # Its parameters' digest is what tells one model from another.
        digest = metadata.get("digests", {}).get("model.pdiparams", "").removeprefix("sha256:")
        licence = metadata.get("licence")
        yield Component(
            "model",
            name or fields_of(metadata, path, "name")["name"],
            version,
            [licence] if licence else [],
            sha256=digest or files[path].sha256,
            source=path,
            files=own,
        )


def _version_and_licences(image: Image) -> tuple[str, list[str]]:
    """Of what this project put into the image."""
    annotations = image.manifest.get("annotations", {})
    licence = annotations.get("org.opencontainers.image.licenses")
    return annotations.get("org.opencontainers.image.version", "0"), [licence] if licence else []


def _sources(image: Image, files: Mapping[str, File], paths: list[str]) -> Iterator[Component]:
    """Python packages of this project: a component for each folder of /app."""
    version, licences = _version_and_licences(image)
    for folder, group in itertools.groupby(paths, lambda path: path.split("/")[1]):
        own = list(group)
        lines = "".join(f"{files[path].sha256}  {path}\n" for path in own)
        yield Component(
            "program",
            f"/app/{folder}",
            version,
            licences,
            sha256=hashlib.sha256(lines.encode()).hexdigest(),
            files=own,
        )


def _programs(image: Image, files: Mapping[str, File]) -> Iterator[Component]:
    version, licences = _version_and_licences(image)
    for path in sorted(files):
        if path.startswith(("app/bin/", "app/lib/")):
            yield Component(
                "program",
                path.rpartition("/")[2],
                version,
                licences,
                sha256=files[path].sha256,
                files=[path],
            )


def _folders_of_wheels(owners: Mapping[str, Component]) -> dict[str, Component | None]:
    """Folder -> the one wheel that all known files in it are of.

    A part of a wheel may be in a layer without its metadata: then it lies beside the other part.
    """
    found: dict[str, Component | None] = {}
    for path, owner in owners.items():
        folder = posixpath.dirname(path)
        wheel = owner if owner.kind == "wheel" else None
        found[folder] = wheel if found.get(folder, wheel) is wheel else None
    return found


def _beside(path: str, owners: Mapping[str, Component]) -> Component | None:
    """Whose a byte-compiled file is: that of its source."""
    compiled = PurePosixPath(path)
    if compiled.parent.name == "__pycache__":
        source = compiled.parent.parent / (compiled.name.split(".")[0] + ".py")
        return owners.get(str(source))
    return None
