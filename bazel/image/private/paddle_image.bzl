"""paddle_image: a whole image with its commands and its test, from one stanza."""

load("@bazel_skylib//rules:write_file.bzl", "write_file")
load("//bazel/image/attest:annotations.bzl", "image_annotations")
load("//bazel/image/layer:layer.bzl", "layer")
load("//bazel/image/layer:user_layer.bzl", "user_layer")
load("//bazel/image/run:contract.bzl", "contract_test")
load("//bazel/oci:defs.bzl", "oci_image")
load("//bazel/platforms:paddle.bzl", "PADDLE_LINES", "line_target")
load("//bazel/platforms:table.bzl", "MACHINES")
load(":machine.bzl", "for_all_machines")
load(":other_machines.bzl", "other_machines")
load(":published.bzl", "published", "run")

USER = 65532
_HOME = "/home/nonroot"

def _model_name(label):
    """The name of a model's folder: that of its target."""
    return native.package_relative_label(label).name

def _of_line(layers, line):
    """Layers, where there is one for each line of Paddle that of this one."""
    return {
        history: layer[line] if type(layer) == "dict" else layer
        for history, layer in layers.items()
    }

def paddle_image(
        name,
        contract,
        contract_files = [],
        paddle = "2",
        layers = {},
        bases = {},
        debian = None,
        models = [],
        program = None,
        python = False,
        without = [],
        entrypoint = None,
        cmd = None,
        env = {},
        ports = [],
        volumes = [],
        workdir = "/app",
        stop_signal = "SIGTERM",
        healthcheck = None,
        title = None,
        description = None,
        version = "0",
        versions = {},
        license = None,
        vex = None,
        budget = {},
        machines = {},
        tags = [],
        visibility = None):
    """An image that runs a program as user 65532, and what is done with it.

    Targets:

    - `<name>`: the image, an OCI layout; `<name>.digest`: a file of its digest
    - `<name>_push`: pushes it, to an embedded registry or with `-- --repository R --tag T`
    - `<name>_load`: loads it into the user's docker or podman
    - `<name>_run`: runs it under bubblewrap until Ctrl-C
    - `<name>_sbom`: its bills of materials; `<name>_sbom_test` holds them to the formats
    - `<name>_budget`: its budget as JSON, for paddle_report
    - `<name>_test`: holds it to its contract

    For each other machine of `machines`, say `arm64`:

    - `<name>_arm64`, `<name>_arm64.digest`: the same image for that machine
    - `<name>_arm64_run`: runs it under QEMU
    - `<name>_arm64_test`, `<name>_arm64_sbom_test`: hold it to its contract, and its bills to the formats; both are
      manual, since they build everything once more, and the first runs it under QEMU

    And of all machines together:

    - `<name>_index`, `<name>_index.digest`: an OCI image index
    - `<name>_index_push`: pushes the images, what is told beside each, and the index, which gets the tag

    Its layers, the lowest first, are those that change least: base files,
    `layers`, Debian's libraries, models, program.

    Args:
      name: of the image; it is pushed as paddle/<name>.
      contract: YAML file of what the image promises; docs/images.md has its keys. `${version}` and `${NAME}` of
        `versions` stand for them.
      contract_files: what the contract posts to services, by the names of these files.
      paddle: the line of Paddle that it has, a key of `PADDLE_LINES` of //bazel/platforms:paddle.bzl. It chooses among
        `layers`, and of programs that there is one of for each line: with line 3 `NAME_paddle3` for `NAME`, which a
        `paddle_cc_binary` is linked as.
      layers: history -> layer, from the lowest; images with the same ones in the same order share them. A layer that
        there is one of for each line of Paddle is a dict, line -> layer.
      bases: name -> layers that images have in common. For those that `layers` begins with,
        `paddle_images.layers.<name>` is the chain ID of the layers up to there.
      debian: set of debian.yaml with the libraries that `layers` lack.
      models: paddle_model targets; each becomes version 1 in /models/<target name>.
      program: executable that becomes /app/bin/<target name>, the entrypoint.
      python: whether the program is a py_binary, whose wheels are in `layers`. Then the image is one to work in: its
        volumes, HOME among them, belong to whoever runs it.
      without: data of a Python program that the image does without, or has at another place; else it is in /app.
      entrypoint: in place of the program alone.
      cmd: its arguments when the user gives none.
      env: environment.
      ports: TCP ports that the program listens on.
      volumes: folders for data of the user; empty ones belong to the user.
      workdir: where the program starts.
      stop_signal: what stops the program.
      healthcheck: arguments of the program that say by the exit code whether it is well; Docker only.
      title: one line for people.
      description: a sentence for people.
      version: of the contents; also the tag that is pushed.
      versions: of what is inside, for labels: `{"python": "3.11"}` is `paddle_images.version.python`.
      license: SPDX expression.
      vex: YAML file of what is known of vulnerabilities inside; docs/images.md has an example.
      budget: `unpacked_mb` and `compressed_mb` that the image may have, in units of 1,000,000 bytes.
      machines: other machines, keys of MACHINES in //bazel/platforms:table.bzl -> the budget there.
      tags: of the targets.
      visibility: of the targets.
    """
    if ":" not in contract and not native.glob([contract], allow_empty = True):
        fail(("paddle_image %s: there is no %s beside its BUILD file. It says what the image promises, " +
              "at least `user: \"%d:%d\"`; docs/images.md has its keys.") % (name, contract, USER, USER))
    if paddle not in PADDLE_LINES:
        fail("paddle_image %s: there is no line %r of Paddle, only %s" % (name, paddle, ", ".join(PADDLE_LINES)))
    layers = _of_line(layers, paddle)
    common = {"tags": tags, "visibility": ["//visibility:private"]}
    if python:
        env = {
            "HOME": _HOME,
            "LANG": "C.UTF-8",
            # A name for whoever runs it: passwd does not know every user, and programs ask.
            "LOGNAME": "nonroot",
            "PATH": "/app/bin:/usr/local/bin:/usr/bin",
            "USER": "nonroot",
        } | env
        volumes = sorted(volumes + [_HOME])

    user_layer(
        name = name + "_base",
        # What only maintainer scripts run, and the certificates one by one.
        exclude = [
            "etc/ca-certificates/*",
            "etc/profile.d",
            "etc/skel",
            "etc/update-motd.d*",
            "usr/bin/?*",
            "usr/sbin/?*",
            "usr/share/base-files/*",
            "usr/share/ca-certificates/*",
            # The same zones again, for systems without leap seconds and with.
            "usr/share/zoneinfo/posix/*",
            "usr/share/zoneinfo/right/*",
        ],
        packages = [Label("@debian//:base")],
        uid = USER,
        dirs = {"app": "0755"},
        **common
    )
    stack = [("base files", name + "_base")] + layers.items()
    below = layers.values()
    if debian:
        layer(
            name = name + "_debian",
            below = below,
            exclude = ["usr/lib/*-linux-gnu/gconv*"],  # as in //images/layers:c_library
            packages = [Label("@debian//:" + debian)],
            **common
        )
        stack.append(("Debian libraries", name + "_debian"))
    if models:
        for model in models:
            for_all_machines(
                name = "%s_model_%s" % (name, _model_name(model)),
                target = model,
                **common
            )
        layer(
            name = name + "_models",
            files = {
                "%s_model_%s" % (name, _model_name(model)): "models/%s/1" % _model_name(model)
                for model in models
            },
            **common
        )
        stack.append(("models", name + "_models"))
    program_name = native.package_relative_label(program).name if program else None
    of_line = {
        native.package_relative_label(program).same_package_label(line_target(program_name, paddle)): program_name,
    } if program else {}
    layer(
        name = name + "_program",
        below = below,
        compile_python = python,
        # The volumes are here and not in the base files, which all images share.
        # In an image to work in whoever runs it may write there, like in /tmp.
        dirs = {
            volume.lstrip("/"): "%s %d:%d" % ("1777" if python else "0755", USER, USER)
            for volume in volumes
        },
        programs = {} if python else of_line,
        python_programs = of_line if python else {},
        without = without,
        **common
    )
    stack.append(("program", name + "_program"))

    executable = "/app/bin/" + program_name if program else None
    annotations = {
        "org.opencontainers.image." + key: value
        for key, value in [
            ("description", description),
            ("licenses", license),
            ("title", title or name),
            ("vendor", "paddle_images"),
            ("version", version),
        ]
        if value
    } | {
        "paddle_images.version." + key: value
        for key, value in versions.items()
    }
    image_annotations(name = name + "_annotations", values = annotations, **common)
    health = {"Test": ["CMD", executable] + healthcheck} if healthcheck else None
    oci_image(
        name = name,
        annotations = name + "_annotations",
        architecture = select({
            Label("//bazel/platforms:" + machine): machine
            for machine in MACHINES
        }),
        cmd = cmd,
        entrypoint = entrypoint or ([executable] if executable else None),
        env = {"PATH": "/app/bin:/usr/bin"} | env,
        exposed_ports = ["%d/tcp" % port for port in ports],
        labels = name + "_annotations",
        os = "linux",
        tags = tags,
        tars = [tar for _, tar in stack],
        user = "%d:%d" % (USER, USER),
        visibility = visibility,
        volumes = volumes,
        workdir = workdir,
        # These are not in rules_oci.
        healthcheck = health,
        chain_ids = {
            "paddle_images.layers." + base: str(1 + len(shared))
            for base, shared in bases.items()
            if _of_line(shared, paddle).items() == layers.items()[:len(shared)]
        },
        history = [history for history, _ in stack],
        stop_signal = stop_signal,
    )

    write_file(
        name = name + "_budget",
        out = name + ".budget.json",
        content = [json.encode(budget), ""],
        **common
    )
    size = "large" if python else "medium"  # they read more than a gigabyte
    published(
        name = name,
        layers = [tar for _, tar in stack],
        size = size,
        tags = tags,
        version = version,
        vex = vex,
        visibility = visibility,
    )
    run(
        name = name + "_run",
        image = name,
        repository = "paddle/" + name,
        tags = tags,
        visibility = visibility,
    )
    contract_test(
        name = name + "_test",
        size = size,
        budget = budget,
        contract = contract,
        files = contract_files,
        image = name,
        tags = tags,
        values = versions | {"version": version},
    )
    if machines:
        other_machines(
            name = name,
            contract = contract,
            contract_files = contract_files,
            machines = machines,
            repository = "paddle/" + name,
            size = size,
            tags = tags,
            values = versions | {"version": version},
            version = version,
            visibility = visibility,
        )
