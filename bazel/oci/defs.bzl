"""Public rules: oci_image, oci_image_index, oci_push, oci_load.

The macros take lists and dicts where the rules take files.
"""

load("@bazel_skylib//lib:types.bzl", "types")
load("@bazel_skylib//rules:write_file.bzl", "write_file")
load("//bazel/oci/private:common.bzl", "internal_tags")
load("//bazel/oci/private:image.bzl", _oci_image_rule = "oci_image")
load("//bazel/oci/private:image_index.bzl", _oci_image_index_rule = "oci_image_index")
load("//bazel/oci/private:load.bzl", _oci_load_rule = "oci_load")
load("//bazel/oci/private:push.bzl", _oci_push_rule = "oci_push")

oci_image_rule = _oci_image_rule
oci_image_index_rule = _oci_image_index_rule
oci_push_rule = _oci_push_rule
oci_tarball_rule = _oci_load_rule

def _as_json(name, kind, value, kwargs):
    """Writes a list or a dict to <name>.<kind>.json; labels and None pass."""
    if types.is_dict(value):
        return _as_file(name, kind, "json", [json.encode(value.items())], kwargs)  # in its order
    return _as_file(name, kind, "json", [json.encode(value)], kwargs) if types.is_list(value) else value

def _as_file(name, kind, end, lines, kwargs):
    """Writes lines to <name>.<kind>.<end>."""
    label = "%s_write_%s" % (name, kind)
    write_file(
        name = label,
        out = "%s.%s.%s" % (name, kind, end),
        content = lines + [""],
        tags = internal_tags(kwargs.get("tags")),
        visibility = ["//visibility:private"],
        testonly = kwargs.get("testonly"),
    )
    return label

def _as_lines(name, kind, value, kwargs):
    """Writes a list of tags to <name>.<kind>.txt; labels and None pass."""
    return _as_file(name, kind, "txt", value, kwargs) if types.is_list(value) else value

def _digest(name, kwargs):
    native.filegroup(
        name = name + ".digest",
        srcs = [name],
        output_group = "digest",
        tags = kwargs.get("tags"),
        testonly = kwargs.get("testonly"),
        visibility = kwargs.get("visibility"),
    )

def oci_image(
        name,
        annotations = None,
        cmd = None,
        created = None,
        entrypoint = None,
        env = None,
        exposed_ports = None,
        healthcheck = None,
        labels = None,
        volumes = None,
        **kwargs):
    """An image of layers, as an OCI layout; `<name>.digest` is a file of its digest.

    Args:
      name: of the target, and of the directory it writes.
      annotations: of the manifest; dict, or file of key=value lines.
      cmd: arguments when the user gives none; list, or file of one a line.
      created: file of one RFC 3339 time.
      entrypoint: the program and its first arguments; list, or file of one a line. Drops a base's `cmd`.
      env: environment; dict, or file of KEY=VALUE lines. $NAME expands to what the base and earlier entries set.
      exposed_ports: ports, like "8080" or "53/udp"; list, or file of a comma-separated list.
      healthcheck: Docker's Healthcheck; dict, like {"Test": ["CMD", "/app/check"]}, or file of JSON.
        Not in upstream's API; only Docker reads it.
      labels: of the config; dict, or file of key=value lines.
      volumes: folders that hold data; list, or file of a comma-separated list.
      **kwargs: attributes of `oci_image_rule`: base, tars, os, architecture, variant, user, workdir, and what all
        rules have. `chain_ids`, `history`, `stop_signal` and `titles` are not in upstream's API.
    """
    if types.is_dict(healthcheck):
        healthcheck = _as_file(name, "healthcheck", "json", [json.encode(healthcheck)], kwargs)
    _oci_image_rule(
        name = name,
        annotations = _as_json(name, "annotations", annotations, kwargs),
        cmd = _as_json(name, "cmd", cmd, kwargs),
        created = created,
        entrypoint = _as_json(name, "entrypoint", entrypoint, kwargs),
        env = _as_json(name, "env", env, kwargs),
        exposed_ports = _as_json(name, "exposed_ports", exposed_ports, kwargs),
        healthcheck = healthcheck,
        labels = _as_json(name, "labels", labels, kwargs),
        volumes = _as_json(name, "volumes", volumes, kwargs),
        **kwargs
    )
    _digest(name, kwargs)

def oci_image_index(name, images, platforms = [], annotations = None, **kwargs):
    """Images for several platforms under one digest; `<name>.digest` is a file of it.

    Args:
      name: of the target, and of the directory it writes.
      images: labels of oci_image targets, one a platform.
      platforms: platforms to build the only image of `images` for.
      annotations: of the index; dict, or file of key=value lines.
      **kwargs: what all rules have.
    """
    _oci_image_index_rule(
        name = name,
        images = images,
        platforms = platforms,
        annotations = _as_json(name, "annotations", annotations, kwargs),
        **kwargs
    )
    _digest(name, kwargs)

def oci_push(name, remote_tags = None, **kwargs):
    """Pushes an image with `bazel run`.

    Args:
      name: of the target.
      remote_tags: tags to set; list, or file of one a line.
      **kwargs: attributes of `oci_push_rule`: image, repository, repository_file, and what all rules have.
    """
    _oci_push_rule(
        name = name,
        remote_tags = _as_lines(name, "remote_tags", remote_tags, kwargs),
        **kwargs
    )

def oci_load(name, repo_tags = None, **kwargs):
    """Loads an image into docker, podman or nerdctl with `bazel run`.

    Args:
      name: of the target.
      repo_tags: tags that the image gets; list, or file of one a line.
      **kwargs: attributes of `oci_tarball_rule`: image, format, loader, and what all rules have.
    """
    _oci_load_rule(
        name = name,
        repo_tags = _as_lines(name, "repo_tags", repo_tags, kwargs),
        **kwargs
    )
