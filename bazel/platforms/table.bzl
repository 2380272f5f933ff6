"""What everything here is built for, and with: a new machine, Debian, CPython or gcc is a line here.

Names that the specs need are in debian.yaml and requirements.in besides. It is Starlark and Python at
once: table.py runs it.
"""

# Debian's release, as VERSION_ID and VERSION_CODENAME of its os-release have it.
DEBIAN = {
    "codename": "bookworm",
    "glibc": "2.36",
    "release": "12",
}

# CPython and gcc of that release, as the names of its packages and folders have them.
PYTHON_FULL_VERSION = "3.11.2"

PYTHON_VERSION = ".".join(PYTHON_FULL_VERSION.split(".")[:2])

# Where Debian's CPython looks for what Debian did not package.
DIST_PACKAGES = "usr/local/lib/python%s/dist-packages" % PYTHON_VERSION

GCC_VERSION = "12"

# Debian's names of architectures, which are GOARCH, and so OCI's, too.
MACHINES = {
    "amd64": {
        # Of @platforms//cpu, of wheels' tags and of uname.
        "cpu": "x86_64",
        # e_machine of its ELF files.
        "elf": "EM_X86_64",
        # What the loader is called, which psABIs say: https://gitlab.com/x86-psABIs/x86-64-ABI.
        "loader": "ld-linux-x86-64.so.2",
        # Names of wheels' platforms from before PEP 600.
        "manylinux": ["manylinux2014", "manylinux2010", "manylinux1"],
        # Debian's multiarch tuple.
        "triple": "x86_64-linux-gnu",
    },
    "arm64": {
        "cpu": "aarch64",
        "elf": "EM_AARCH64",
        # https://github.com/ARM-software/abi-aa/blob/main/sysvabi64/sysvabi64.rst
        "loader": "ld-linux-aarch64.so.1",
        "manylinux": ["manylinux2014"],
        "triple": "aarch64-linux-gnu",
    },
}

# Where builds run, and what everything is for that says nothing else.
BASE = "amd64"

AMD64 = MACHINES[BASE]

def named_for(name, machine):
    """What is called `name` for the base is `name_MACHINE` for another machine."""
    return name if machine == BASE else "%s_%s" % (name, machine)
