"""The check of bindings finds what it is for, in logs as ld.so of glibc writes them."""

from bazel.paddle.private.isolation import Binding, crossings, parse


def _binding(user: str, provider: str, symbol: str) -> set[Binding]:
    return parse(
        [
            f"     18069:\tbinding file /app/bin/{user} [0] to /app/lib/{provider} [0]: "
            f"normal symbol `{symbol}' [GLIBC_2.2.5]\n"
        ]
    )


def test_parse_reads_one_binding() -> None:
    line = (
        "      7:\tbinding file bin/server [0] to /x/paddle/base/libpaddle.so [0]: "
        "normal symbol `inflate'"
    )
    assert parse([line, "      7:\tcalling init: /lib/libc.so.6\n"]) == {
        Binding("server", "libpaddle.so", "inflate")
    }


def test_parse_leaves_out_a_file_that_uses_itself() -> None:
    assert _binding("libpaddle.so", "libpaddle.so", "inflate") == set()


def test_api_is_allowed() -> None:
    for symbol in [
        "_ZN12paddle_infer9Predictor3RunEv",
        "_ZNK12paddle_infer6Tensor9CopyToCpuIfEEvPT_",
        "_ZN6paddle14AnalysisConfigC1Ev",
    ]:
        assert crossings(_binding("server", "libpaddle.so", symbol), "server") == []


def test_system_is_allowed() -> None:
    bindings = _binding("server", "libc.so.6", "malloc") | _binding(
        "libpaddle.so", "libc.so.6", "malloc"
    )
    # libc takes back the copy of its own variable that the linker put into the program.
    bindings |= _binding("libc.so.6", "server", "__libc_single_threaded")
    assert crossings(bindings, "server") == []


def test_engine_into_program_crosses() -> None:
    symbol = "_ZN6google8protobuf11MessageLite16SerializeAsStringEv"
    assert crossings(_binding("libpaddle.so", "server", symbol), "server") == [
        f"libpaddle.so uses {symbol} of the program"
    ]


def test_variable_copied_from_a_system_library_is_allowed() -> None:
    by_engine = _binding("libpaddle.so", "server", "stderr")
    assert len(crossings(by_engine, "server")) == 1
    assert crossings(by_engine | _binding("server", "libc.so.6", "stderr"), "server") == []
    # A copy of the engine's own variable is none of the system's.
    of_engine = by_engine | _binding("server", "libcommon.so", "stderr")
    assert len(crossings(of_engine, "server")) == 2


def test_program_into_engine_crosses() -> None:
    for symbol in ["SSL_new", "pthread_mutex_lock", "_ZNSt6vectorIiSaIiEE9push_backERKi"]:
        assert len(crossings(_binding("server", "libpaddle.so", symbol), "server")) == 1


def test_library_of_the_program_that_calls_into_the_engine_crosses() -> None:
    into_engine = _binding("libz.so.1", "libpaddle.so", "crc32")
    by_engine = into_engine | _binding("libpaddle.so", "libz.so.1", "gzopen")
    assert crossings(by_engine, "server") == []
    by_program = into_engine | _binding("server", "libz.so.1", "inflate")
    assert crossings(by_program, "server") == [
        "server uses inflate of libz.so.1, which calls the engine's copies"
    ]


def test_shared_library_crosses_both_ways() -> None:
    symbol = "_ZN6google8protobuf7MessageC2Ev"
    for user, provider in [
        ("libpaddle.so", "libprotobuf.so.32"),
        ("libprotobuf.so.32", "libpaddle.so"),
    ]:
        assert crossings(_binding(user, provider, symbol), "server") == [
            f"{user} uses {symbol} of {provider}"
        ]


def test_instances_of_std_templates_may_be_shared() -> None:
    def between(symbol: str) -> list[str]:
        return crossings(_binding("libsimdjson.so.14", "libpaddle.so", symbol), "server")

    for symbol in [
        "_ZNSt6vectorIiSaIiEE9push_backERKi",
        "_ZNKSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE4findEcm",
        "_ZNSs4_Rep20_S_empty_rep_storageE",
        "_ZTISt16_Sp_counted_baseILN9__gnu_cxx12_Lock_policyE2EE",
        "_ZSt9use_facetISt5ctypeIcEERKT_RKSt6locale",
    ]:
        assert between(symbol) == [], symbol
    for symbol in [
        "_ZNSt6vectorIN6google8protobuf7MessageESaIS2_EE9push_backERKS2_",
        "_ZNSt6vectorI7PrivateSaIS0_EE9push_backERKS0_",
    ]:
        assert len(between(symbol)) == 1, symbol
