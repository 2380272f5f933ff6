"""Which packages make Bazel: the spec of launcher_lock.json.

Debian forky moves: a locked package may vanish from its mirrors when a newer
one arrives. newest.py says what is done then. A start without a download reads
this, too, so it imports nothing.
"""

SUITE = "forky"

WANTED = (
    "bazel-bootstrap",
    "default-jre-headless",
    "libblake3-0",  # bazel-bootstrap's JNI library needs it and does not say so
    # Modules that bazel-bootstrap does not depend on.
    "bazel-aspect-bazel-lib",
    "bazel-lib",
    "bazel-rules-pkg",
    "bazel-rules-shell",
    # What makes it run here: relocation, CAs, default registries of pip and npm.
    "ca-certificates",
    "node-registry-url",
    "patchelf",
    "python3-pip",
)

# Dependencies that Bazel as it is started here never opens; they would triple
# the download. A name that is left out is not followed further.
EXCLUDED = (
    # compilers, JDK and headers
    r"build-essential|default-jdk-headless|zlib1g-dev|gcc-[0-9]+-base"
    # programs that maintainer scripts and Debian's own tests run
    r"|bats.*|debconf|node-.*|nodejs|openssl.*|procps|protobuf-compiler.*|python3.*"
    r"|rust-coreutils|unzip|util-linux|zstd"
    # documentation
    r"|bazel-stardoc|libjs-.*"
    # what the JRE needs for smart cards, pictures and Debian's configuration
    r"|ca-certificates-java|java-common|libjpeg.*|liblcms2-2|libnss3|libpcsclite1"
    # what libraries need for parts of them that Bazel does not use
    r"|libc-gconv-modules-extra|libre2-[0-9]+|libssl3.*|libsystemd0|libzstd.*"
    r"|lib(apache-pom|asm|atinject|bcprov|cdi|commons-(cli|codec|collections3|lang3|logging|parent)"
    r"|eclipse|escapevelocity|geronimo|google-oauth|guice|httpc|jackson|jacoco|jarjar|jaxb|jctools"
    r"|jetty|jformatstring|jgit|jsch|jspecify|junixsocket|log4j|maven|mongo|opencensus|plexus"
    r"|servlet|sisu|slf4j).*"
)
