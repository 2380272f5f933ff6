"""Writes images: the build actions of oci_image and oci_image_index.

    image descriptor LAYER OUT        one layer's descriptor and diff id, as JSON
    image image      --out DIR ...    an image of layers on an optional base
    image index      --out DIR ...    an index of images

Nothing in a layout depends on a label, a path, the time or the
machine, so equal inputs have equal digests. Blobs that Bazel already holds are
linked, never copied.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from bazel.oci.layout import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Json,
    Layout,
    LayoutError,
    blob_path,
    dump,
    read_blob,
    read_manifest_descriptor,
    sha256,
)
from bazel.oci.processes import running

EPOCH = "1970-01-01T00:00:00Z"
CHUNK = 1 << 20


# Layers


def compression_of(head: bytes) -> str:
    """The compression that a file's first bytes tell; names lie."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return "zstd"
    return ""


def gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Decompresses gzip data of any number of members."""
    decoder = zlib.decompressobj(wbits=31)
    inside = False  # a member
    for chunk in chunks:
        while chunk:
            yield decoder.decompress(chunk)
            inside, chunk = not decoder.eof, decoder.unused_data
            if decoder.eof:
                decoder = zlib.decompressobj(wbits=31)
    if inside:
        raise zlib.error("it ends in the middle")


def describe_layer(layer: Path, zstd: str | None) -> Json:
    """Digest, size, diff id and compression of a layer, read once."""
    digest, diff_id, size = hashlib.sha256(), hashlib.sha256(), 0
    with layer.open("rb") as file:
        compression = compression_of(file.read(4))
        file.seek(0)

        def chunks() -> Iterator[bytes]:
            nonlocal size
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
                yield chunk

        if compression == "gzip":
            try:
                for data in gunzip(chunks()):
                    diff_id.update(data)
            except zlib.error as error:
                raise LayoutError(f"layer {layer} is damaged gzip: {error}") from error
        else:
            for _ in chunks():
                pass
            diff_id = digest
    if compression == "zstd":
        diff_id = hash_zstd(layer, zstd)
    return {
        "compression": compression,
        "diff_id": "sha256:" + diff_id.hexdigest(),
        "digest": "sha256:" + digest.hexdigest(),
        "size": size,
    }


def hash_zstd(layer: Path, zstd: str | None) -> hashlib._Hash:
    if zstd is None:
        raise LayoutError(
            f"layer {layer} is zstd, and no zstd program is there to read it: name the file "
            ".tar.zst, and give `zstd` to the oci_toolchain that MODULE.bazel registers"
        )
    result = hashlib.sha256()
    command = [zstd, "--decompress", "--stdout", "--quiet", str(layer)]
    with running(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while chunk := process.stdout.read(CHUNK):
            result.update(chunk)
        process.wait()
    if process.returncode:
        raise LayoutError(f"layer {layer} is damaged zstd")
    return result


# Configuration files: the forms that oci_image documents


def texts_of(path: Path, *, pairs: bool) -> Any:
    """The texts, or the pairs of them, in a file that is named .json; None of others."""
    if path.suffix != ".json":
        return None
    kind = "an object of texts, or a list of [key, value]" if pairs else "a list of texts"
    try:
        value = json.loads(path.read_bytes())
        if pairs:
            value = list(dict(value).items())
            good = all(key and isinstance(text, str) for key, text in value)
        else:
            good = isinstance(value, list) and all(isinstance(text, str) for text in value)
    except (TypeError, ValueError):
        good = False
    if not good:
        raise LayoutError(f"{path} must hold JSON, as its name says: {kind}")
    return value


def lines_of(path: Path) -> list[str]:
    text = path.read_text()
    return text.removesuffix("\n").split("\n") if text.strip() else []


def arguments_of(path: Path) -> list[str]:
    """One argument a line, a newline within it written %5Cn. Or a list of JSON, as it stands."""
    if (texts := texts_of(path, pairs=False)) is not None:
        return list(texts)
    return [line.replace("%5Cn", "\n") for line in lines_of(path)]


def items_of(path: Path) -> list[str]:
    """A comma-separated list, over one or more lines. Or a list of JSON, as it stands."""
    if (texts := texts_of(path, pairs=False)) is not None:
        return list(texts)
    return [item.strip() for item in path.read_text().replace("\n", ",").split(",") if item.strip()]


def pairs_of(path: Path) -> list[tuple[str, str]]:
    """key=value lines; the value may hold more equal signs.

    Or JSON, as it stands: an object, or a list of [key, value], which has an order.
    """
    if (texts := texts_of(path, pairs=True)) is not None:
        return list(texts)
    pairs = []
    for line in lines_of(path):
        if not line.strip():
            continue
        key, equals, value = line.partition("=")
        if not equals or not key:
            raise LayoutError(f"{path} must hold key=value lines, but has {line!r}")
        pairs.append((key, value))
    return pairs


def expand(value: str, env: dict[str, str]) -> str:
    """Replaces $NAME and ${NAME} by what is known so far; $$ stays as it is."""

    def known(match: re.Match[str]) -> str:
        name = match["braced"] or match["bare"]
        return env.get(name, "") if name else match[0]

    pattern = r"\$\$|\$\{(?P<braced>[A-Za-z_]\w*)\}|\$(?P<bare>[A-Za-z_]\w*)"
    return re.sub(pattern, known, value)


def merge_env(base: list[str], pairs: list[tuple[str, str]]) -> list[str]:
    env = dict(entry.partition("=")[::2] for entry in base)
    for key, value in pairs:
        env[key] = expand(value, env)
    return [f"{key}={value}" for key, value in env.items()]


# Images


def read_base(base: Path, layout: Layout) -> tuple[Json, Json]:
    """The base's manifest and config; its layers are linked into the layout."""
    manifest = read_blob(base, read_manifest_descriptor(base)["digest"])
    if "config" not in manifest:
        raise LayoutError(f"base {base} is an index; an image can be built on one image only")
    for layer in manifest["layers"]:
        if "urls" not in layer or blob_path(base, layer["digest"]).exists():
            layout.link(layer["digest"], blob_path(base, layer["digest"]))
    return manifest, read_blob(base, manifest["config"]["digest"])


def new_image(args: argparse.Namespace) -> tuple[Json, Json]:
    if not (args.os and args.architecture):
        raise LayoutError("'os' and 'architecture' are mandatory when 'base' is unspecified.")
    config: Json = {"created": EPOCH, "architecture": args.architecture, "os": args.os}
    if args.variant:
        config["variant"] = args.variant
    config |= {"config": {}, "rootfs": {"type": "layers", "diff_ids": []}, "history": []}
    return {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": []}, config


def configure(args: argparse.Namespace, image: Json) -> None:
    """Applies the attributes of oci_image to a config, over what its base has."""
    config: Json = image.setdefault("config", {}) or {}
    image["config"] = config
    if args.created:
        image["created"] = args.created.read_text().strip()
    if args.env:
        config["Env"] = merge_env(config.get("Env") or [], pairs_of(args.env))
    if args.entrypoint:
        config["Entrypoint"] = arguments_of(args.entrypoint)
        # The base's arguments were meant for the base's program.
        config.pop("Cmd", None)
    if args.cmd:
        config["Cmd"] = arguments_of(args.cmd)
    if args.labels:
        config["Labels"] = (config.get("Labels") or {}) | dict(pairs_of(args.labels))
    for key, path in (("ExposedPorts", args.exposed_ports), ("Volumes", args.volumes)):
        if path:
            config[key] = (config.get(key) or {}) | {item: {} for item in items_of(path)}
    texts = {"User": args.user, "WorkingDir": args.workdir, "StopSignal": args.stop_signal}
    config |= {key: value for key, value in texts.items() if value}
    if args.healthcheck:
        config["Healthcheck"] = json.loads(args.healthcheck.read_text())


def chain_id(diff_ids: list[str]) -> str:
    """The digest over layers, the lowest first: ChainID of the image specification's config.md."""
    chain = diff_ids[0]
    for diff_id in diff_ids[1:]:
        chain = sha256(f"{chain} {diff_id}".encode())
    return chain


def chain_ids(wanted: list[str], diff_ids: list[str]) -> dict[str, str]:
    """Annotations of NAME=COUNT: the chain id of so many layers."""
    found = {}
    for word in wanted:
        name, _, text = word.rpartition("=")
        count = int(text)
        if not 0 < count <= len(diff_ids):
            raise LayoutError(f"{name} is of {count} layers, but the image has {len(diff_ids)}")
        found[name] = chain_id(diff_ids[:count])
    return found


def named_for_oras(layer: Json, title: str) -> Json:
    """Annotations of a layer by which `oras pull` unpacks the folder that is in it.

    ORAS leaves out layers without a title, and unpacks gzip alone.
    """
    if not title or layer["compression"] != "gzip":
        return {}
    return {
        "annotations": {
            "io.deis.oras.content.digest": layer["diff_id"],
            "io.deis.oras.content.unpack": "true",
            "org.opencontainers.image.title": title,
        }
    }


def write_image(args: argparse.Namespace) -> None:
    layout = Layout(args.out)
    manifest, image = read_base(args.base, layout) if args.base else new_image(args)
    configure(args, image)
    docker = manifest.get("mediaType") == DOCKER_MANIFEST
    layer_type, join = (DOCKER_LAYER, ".") if docker else (OCI_LAYER, "+")
    for index, (path, described) in enumerate(args.layer):
        layer = json.loads(Path(described).read_text())
        compression = layer["compression"]
        manifest["layers"].append(
            {
                "mediaType": layer_type + (join + compression if compression else ""),
                "size": layer["size"],
                "digest": layer["digest"],
            }
            | named_for_oras(layer, args.title[index] if args.title else "")
        )
        layout.link(layer["digest"], Path(path))
        image["rootfs"]["diff_ids"].append(layer["diff_id"])
        # The label of the layer would make the digest depend on it.
        made_by = args.history[index] if index < len(args.history) else "oci_image"
        image.setdefault("history", []).append({"created": EPOCH, "created_by": made_by})
    chains = chain_ids(args.chain_id, image["rootfs"]["diff_ids"])
    if chains:
        image["config"]["Labels"] = (image["config"].get("Labels") or {}) | chains
    config = layout.json(DOCKER_CONFIG if docker else OCI_CONFIG, image)
    layers = manifest.pop("layers")
    annotations = manifest.pop("annotations", {})
    if args.annotations:
        annotations |= dict(pairs_of(args.annotations))
    annotations |= chains
    manifest |= {"config": config, "layers": layers}
    manifest |= {"annotations": annotations} if annotations else {}
    descriptor = layout.json(manifest.get("mediaType", OCI_MANIFEST), manifest)
    layout.finish(descriptor)
    args.digest_file.write_text(descriptor["digest"] + "\n")


# Indexes


def platform_of(config: Json) -> Json:
    keys = ("architecture", "os", "os.version", "os.features", "variant")
    return {key: config[key] for key in keys if config.get(key)}


def write_index(args: argparse.Namespace) -> None:
    layout = Layout(args.out)
    manifests = []
    seen: dict[str, Path] = {}
    for image in args.image:
        descriptor = read_manifest_descriptor(image)
        manifest = read_blob(image, descriptor["digest"])
        if "config" not in manifest:
            raise LayoutError(f"{image} is an index; 'images' takes images")
        platform = platform_of(read_blob(image, manifest["config"]["digest"]))
        key = json.dumps(platform, sort_keys=True)
        if key in seen:
            raise LayoutError(
                f"{image} and {seen[key]} are both for {platform.get('os')}/"
                f"{platform.get('architecture')}: an index holds one image a platform"
            )
        seen[key] = image
        for blob in sorted((image / "blobs" / "sha256").iterdir()):
            layout.link("sha256:" + blob.name, blob)
        entry = {key: descriptor[key] for key in ("mediaType", "size", "digest")}
        manifests.append(entry | {"platform": platform})
    index: Json = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    if args.annotations:
        index["annotations"] = dict(pairs_of(args.annotations))
    descriptor = layout.json(OCI_INDEX, index)
    layout.finish(descriptor)
    args.digest_file.write_text(descriptor["digest"] + "\n")


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="image", description=(__doc__ or "").splitlines()[0])
    commands = result.add_subparsers(dest="command", required=True)

    descriptor = commands.add_parser("descriptor")
    descriptor.add_argument("layer", type=Path)
    descriptor.add_argument("out", type=Path)
    descriptor.add_argument("--zstd", help="the zstd program, for zstd layers")

    image = commands.add_parser("image")
    image.add_argument("--base", type=Path)
    image.add_argument("--layer", nargs=2, action="append", default=[], metavar=("TAR", "JSON"))
    image.add_argument("--history", action="append", default=[])
    image.add_argument("--title", action="append", default=[])
    image.add_argument("--chain-id", action="append", default=[], metavar="ANNOTATION=LAYERS")
    for name in ("os", "architecture", "variant", "user", "workdir", "stop-signal"):
        image.add_argument("--" + name, default="")
    for name in ("entrypoint", "cmd", "env", "labels", "exposed-ports", "volumes", "created"):
        image.add_argument("--" + name, type=Path)
    image.add_argument("--healthcheck", type=Path)

    index = commands.add_parser("index")
    index.add_argument("--image", type=Path, action="append", default=[])

    for command in (image, index):
        command.add_argument("--annotations", type=Path)
        command.add_argument("--out", type=Path, required=True)
        command.add_argument("--digest-file", type=Path, required=True)
    return result


def main(argv: list[str], stderr: IO[str] = sys.stderr) -> int:
    args = parser().parse_args(argv)
    try:
        if args.command == "descriptor":
            args.out.write_bytes(dump(describe_layer(args.layer, args.zstd)))
        elif args.command == "image":
            write_image(args)
        else:
            write_index(args)
    except LayoutError as error:
        print(f"paddle_images: {error}", file=stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
