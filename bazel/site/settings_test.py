"""Where mirrors and CAs are found: every source that a machine may have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bazel.site import apt, settings
from bazel.site.messages import Problem


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_debian_one_line(tmp_path: Path) -> None:
    _write(
        tmp_path / "etc/apt/sources.list",
        "# deb http://commented.test/debian bookworm main\n"
        "deb-src http://source.test/debian bookworm main\n"
        "deb http://security.test/debian-security bookworm-security main\n"
        "deb [arch=amd64 signed-by=/x.gpg] http://a.test/debian/ bookworm main contrib\n"
        "deb http://a.test/debian bookworm-updates main\n"
        "deb http://contrib.test/debian bookworm contrib\n",
    )
    assert settings.debian_mirrors({}, tmp_path) == ["http://a.test/debian"]


def test_debian_deb822(tmp_path: Path) -> None:
    _write(
        tmp_path / "etc/apt/sources.list.d/debian.sources",
        "# a comment\nTypes: deb\n# another\nURIs: https://u:p@b.test/debian/\n"
        "Suites: bookworm\n bookworm-updates\nComponents: main non-free\n\n"
        "Types: deb\nURIs: http://off.test/debian\nSuites: bookworm\nComponents: main\n"
        "Enabled: no\n\n"
        "Types: deb-src\nURIs: http://src.test/debian\nSuites: bookworm\nComponents: main\n\n"
        "types: deb\nuris: http://c.test/debian\nsuites: stable\ncomponents: main\n",
    )
    mirrors = ["https://u:p@b.test/debian", "http://c.test/debian"]
    assert settings.debian_mirrors({}, tmp_path) == mirrors


def test_debian_own_repository_goes_before_others(tmp_path: Path) -> None:
    _write(
        tmp_path / "etc/apt/sources.list.d/a.list",
        "deb https://vendor.test/repo nodistro main\n"
        "deb https://vendor.test/prod bookworm main\n"
        "deb https://vendor.test/debian bookworm stable\n",
    )
    _write(
        tmp_path / "etc/apt/sources.list.d/z.sources",
        "Types: deb\nURIs: http://z.test/debian\nSuites: bookworm\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
    )
    mirrors = ["http://z.test/debian", "https://vendor.test/prod"]
    assert settings.debian_mirrors({}, tmp_path) == mirrors


def test_debian_security_is_found_in_apt_and_beside_mirrors(tmp_path: Path) -> None:
    _write(
        tmp_path / "etc/apt/sources.list",
        "deb http://a.test/debian bookworm main\n"
        "deb http://security.test/debian-security/ bookworm-security main\n",
    )
    _write(
        tmp_path / "etc/apt/sources.list.d/debian.sources",
        "Types: deb\nURIs: http://b.test/updates\nSuites: bookworm-security\nComponents: main\n",
    )
    found = ["http://security.test/debian-security", "http://b.test/updates"]
    assert settings.debian_security_mirrors({}, tmp_path) == [
        *found,
        "http://a.test/debian-security",
    ]
    only = {"DEBIAN_SECURITY_MIRROR": "http://c.test/security/"}
    assert settings.debian_security_mirrors(only, tmp_path) == ["http://c.test/security"]
    beside = {"DEBIAN_MIRROR": "http://d.test/debian"}
    assert settings.debian_security_mirrors(beside, tmp_path / "none") == [
        "http://d.test/debian-security"
    ]


def test_debian_mirror_lists_and_files(tmp_path: Path) -> None:
    _write(
        tmp_path / "etc/apt/sources.list",
        "deb mirror+file:/etc/apt/mirrors/debian.list bookworm main\n"
        "deb file:/srv/debian bookworm main\n"
        "deb cdrom:[Debian 12]/ bookworm main\n",
    )
    _write(
        tmp_path / "etc/apt/mirrors/debian.list",
        "http://m1.test/debian\tpriority:1\nhttp://m2.test/debian\n",
    )
    assert settings.debian_mirrors({}, tmp_path) == [
        "http://m1.test/debian",
        "http://m2.test/debian",
        "file:///srv/debian",
    ]


def test_debian_environment_and_nothing(tmp_path: Path) -> None:
    env = {"DEBIAN_MIRROR": " http://a.test/debian/  http://b.test/d "}
    assert settings.debian_mirrors(env, tmp_path) == ["http://a.test/debian", "http://b.test/d"]
    assert settings.debian_mirrors({}, tmp_path) == []


def test_pypi_index(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path / "home")}
    assert settings.pypi_index(home, tmp_path) is None
    _write(tmp_path / "etc/pip.conf", "[global]\nindex-url = http://global.test/simple/\n")
    assert settings.pypi_index(home, tmp_path) == "http://global.test/simple"
    _write(
        tmp_path / "home/.config/pip/pip.conf",
        "[global]\nextra-index-url = http://extra.test\nindex_url: http://u:p@user.test/simple\n"
        "[list]\nindex-url = http://list.test/simple\n",
    )
    assert settings.pypi_index(home, tmp_path) == "http://u:p@user.test/simple"
    named = _write(tmp_path / "named.conf", "[install]\nindex-url = http://named.test/simple\n")
    env = {**home, "PIP_CONFIG_FILE": str(named)}
    assert settings.pypi_index(env, tmp_path) == "http://named.test/simple"
    assert settings.pypi_index({**home, "PIP_CONFIG_FILE": "/dev/null"}, tmp_path) is None
    env["PIP_INDEX_URL"] = "http://env.test/simple/"
    assert settings.pypi_index(env, tmp_path) == "http://env.test/simple"
    env["PYPI_INDEX"] = "http://ours.test/simple"
    assert settings.pypi_index(env, tmp_path) == "http://ours.test/simple"


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("[global]\nindex-url =\n    https://nexus.test/simple/\n", "https://nexus.test/simple"),
        ("[global]\nindex_url = http://u:p%40ss@a.test/s\n", "http://u:p%40ss@a.test/s"),
        ("[global]\nIndex-URL: http://a.test/s ; kept\n", "http://a.test/s ; kept"),
        ("[install]\nindex-url=http://i.test\n[global]\nindex-url=http://g.test", "http://i.test"),
        ("[global]\n# index-url = http://a.test\n;index-url = http://b.test\n", None),
        ("[global]\nindex-url =\n", None),
        ("index-url = http://outside.test\n", None),
        ("[global]\nindex-url = http://a.test\nindex-url = http://b.test\n", None),
    ],
)
def test_pip_conf_is_read_as_pip_does(tmp_path: Path, text: str, index: str | None) -> None:
    _write(tmp_path / "etc/pip.conf", text)
    assert settings.pypi_index({}, tmp_path) == index


def test_pips_section_for_install_goes_before_the_general_one_of_a_later_file(
    tmp_path: Path,
) -> None:
    _write(tmp_path / "etc/pip.conf", "[install]\nindex-url = http://install.test\n")
    _write(tmp_path / "home/.pip/pip.conf", "[global]\nindex-url = http://global.test\n")
    assert settings.pypi_index({"HOME": str(tmp_path / "home")}, tmp_path) == "http://install.test"


def test_an_unreadable_index_is_told_without_its_login(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="PIP_INDEX_URL holds a URL that cannot") as caught:
        settings.pypi_index({"PIP_INDEX_URL": "http://user:pa/ss@a.test/simple"}, tmp_path)
    assert "ss" not in str(caught.value).replace("password", "")


def test_npm_registry(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path / "home"), "HOST": "user.test"}
    project = tmp_path / "project"
    assert settings.npm_registry(env, tmp_path, project) is None
    _write(tmp_path / "etc/npmrc", "registry=http://global.test/\n")
    assert settings.npm_registry(env, tmp_path, project) == "http://global.test"
    _write(
        tmp_path / "home/.npmrc", "; c\n@x:registry=http://x.test\nregistry = http://${HOST}/npm/\n"
    )
    assert settings.npm_registry(env, tmp_path, project) == "http://user.test/npm"
    _write(project / ".npmrc", 'registry="http://project.test"\n')
    assert settings.npm_registry(env, tmp_path, project) == "http://project.test"
    env["NPM_CONFIG_REGISTRY"] = "http://env.test/"
    assert settings.npm_registry(env, tmp_path, project) == "http://env.test"
    env["NPM_REGISTRY"] = "http://ours.test"
    assert settings.npm_registry(env, tmp_path, project) == "http://ours.test"


def test_ca_bundle(tmp_path: Path) -> None:
    assert settings.ca_bundle({}, tmp_path) is None
    system = _write(tmp_path / "etc/ssl/certs/ca-certificates.crt", "system")
    assert settings.ca_bundle({"SSL_CERT_FILE": str(tmp_path / "gone.pem")}, tmp_path) == system
    own = _write(tmp_path / "own.pem", "own")
    assert settings.ca_bundle({"REQUESTS_CA_BUNDLE": str(own)}, tmp_path) == own


def test_other_distributions_are_no_debian(tmp_path: Path) -> None:
    text = "deb http://a.test/ubuntu noble main\ndeb http://a.test/ubuntu noble-security main\n"
    _write(tmp_path / "etc/apt/sources.list", text)
    assert settings.debian_mirrors({}, tmp_path) == []
    assert settings.debian_security_mirrors({}, tmp_path) == []


def test_lists_of_mirrors_are_left_to_who_can_fetch_them(tmp_path: Path) -> None:
    _write(
        tmp_path / "etc/apt/sources.list",
        "deb mirror+https://a.test/list bookworm main\ndeb mirror://b.test/list bookworm main\n",
    )
    mirrors = settings.debian_mirrors({}, tmp_path)
    assert mirrors == ["mirror+https://a.test/list", "mirror+http://b.test/list"]
    assert all(map(settings.is_list, mirrors))
    assert settings.debian_security_mirrors({}, tmp_path) == []


def test_a_url_that_cannot_be_read_is_not_shown(tmp_path: Path) -> None:
    env = {"DEBIAN_MIRROR": "http://user:p#ss@a.test/debian"}
    with pytest.raises(Problem, match="DEBIAN_MIRROR holds a URL that cannot") as error:
        settings.debian_mirrors(env, tmp_path)
    assert "p#ss" not in str(error.value) and "user:" not in str(error.value)


@pytest.mark.parametrize("url", ["http://user:pa/ss@a.test/x", "http://user:ss@[bad/x"])
def test_no_setting_with_such_a_url_is_shown(tmp_path: Path, url: str) -> None:
    home = tmp_path / "home"
    _write(home / ".npmrc", f"registry={url}\n")
    _write(tmp_path / "etc/apt/sources.list", f"deb {url} bookworm main\n")
    _write(tmp_path / "security/etc/apt/sources.list", f"deb {url} bookworm-security main\n")
    _write(tmp_path / "etc/apt/apt.conf", f'Acquire::http::Proxy "{url}";')
    here = settings.Site(("http://a.test/debian",), (), None, None, None)
    readers: dict[str, Callable[[], object]] = {
        "NPM_REGISTRY": lambda: settings.npm_registry({"NPM_REGISTRY": url}, tmp_path),
        "npm_config_registry": lambda: settings.npm_registry(
            {"npm_config_registry": url}, tmp_path
        ),
        "npmrc": lambda: settings.npm_registry({"HOME": str(home)}, tmp_path),
        "a line of apt's sources": lambda: settings.debian_mirrors({}, tmp_path),
        "sources": lambda: settings.debian_security_mirrors({}, tmp_path / "security"),
        "apt's setting of a proxy": lambda: here.proxies({}, tmp_path),
    }
    for setting, read in readers.items():
        with pytest.raises(Problem, match="a URL that cannot be read; in a user") as error:
            read()
        assert setting in str(error.value)
        assert "ss@" not in str(error.value)
    assert settings.without_credentials(url) == "(a URL that cannot be read)"


@pytest.mark.parametrize(
    ("conf", "url", "proxy"),
    [
        (
            'Acquire::http::Proxy "http://p.test:3142/";',
            "http://a.test/debian",
            "http://p.test:3142",
        ),
        ('Acquire::http::Proxy "http://p.test:1";', "https://a.test/debian", "http://p.test:1"),
        (
            'Acquire::http::Proxy "http://p.test:1";\nAcquire::https::Proxy "DIRECT";',
            "https://a.test/debian",
            None,
        ),
        (
            'acquire { HTTP { proxy "http://p.test:1"; Proxy::a.test "DIRECT"; } };',
            "http://a.test/debian",
            None,
        ),
        (
            'Acquire::http { Proxy { a.test "q.test:8080"; }; };',
            "http://a.test/debian",
            "http://q.test:8080",
        ),
        (
            '# Acquire::http::Proxy "http://p.test";\n/* Acquire::http::Proxy "x"; */',
            "http://a",
            None,
        ),
        ('Acquire::http::Proxy "http://p.test"; // "x";\n#clear x;', "http://a", "http://p.test"),
        ('Acquire::http::Proxy "http://p.test"; Acquire::http::Proxy "";', "http://a", None),
        ("}; } ;; { Acquire", "http://a.test", None),
    ],
)
def test_the_proxy_of_apt(tmp_path: Path, conf: str, url: str, proxy: str | None) -> None:
    _write(tmp_path / "etc/apt/apt.conf.d/50site", conf)
    assert apt.proxy(url, {}, tmp_path) == proxy


def test_later_settings_of_apt_win(tmp_path: Path) -> None:
    for name in ("apt.conf.d/10a", "apt.conf.d/20b.conf", "apt.conf.d/30c.disabled"):
        host = name.rpartition("/")[2].partition(".")[0]
        _write(tmp_path / "etc/apt" / name, f'Acquire::http::Proxy "http://p{host}.test";')
    assert apt.proxy("http://a.test", {}, tmp_path) == "http://p20b.test"
    login = "machine http://main.test login user password p@ss\n"
    _write(tmp_path / "etc/apt/auth.conf", login)
    _write(tmp_path / "etc/apt/apt.conf", 'Acquire::http::Proxy "http://main.test:3128";')
    assert apt.proxy("http://a.test", {}, tmp_path) == "http://user:p%40ss@main.test:3128"


def test_the_logins_of_apt(tmp_path: Path) -> None:
    _write(
        tmp_path / "etc/apt/auth.conf",
        "machine a.test\nlogin secure password 1\n"
        "machine http://a.test:8080/debian login port password 2\n"
        "machine http://a.test login plain password 3\n",
    )
    _write(tmp_path / "etc/apt/auth.conf.d/b.conf", "machine b.test/x login b password 4")
    _write(tmp_path / "etc/apt/auth.conf.d/c.off", "machine c.test login c password 5")
    found = {
        "https://a.test/debian": ("secure", "1"),
        "http://a.test:8080/debian/pool": ("port", "2"),
        "http://a.test:8080/other": ("plain", "3"),
        "http://a.test/debian": ("plain", "3"),
        "http://b.test/x": None,  # its entry is for https alone
        "https://b.test/x/y": ("b", "4"),
        "https://b.test/y": None,
        "https://c.test/": None,
    }
    assert {url: apt.login(url, tmp_path) for url in found} == found


def test_the_logins_that_bazel_gets(tmp_path: Path) -> None:
    _write(tmp_path / "etc/apt/auth.conf", "machine nexus.test/debian login d password 1\n")
    netrc = _write(tmp_path / "netrc", "machine n.test login n password 3\ndefault login x\n")
    here = settings.Site(
        ("https://nexus.test/debian",),
        ("https://nexus.test/debian-security",),
        "https://p:2@nexus.test/simple",
        None,
        None,
    )
    assert here.logins({"NETRC": str(netrc)}, tmp_path) == [
        ("nexus.test", "https://nexus.test/debian", "d", "1"),
        ("nexus.test", "https://nexus.test/debian-security", "d", "1"),
        ("nexus.test", "https://nexus.test/simple", "p", "2"),
        ("nexus.test", "", "p", "2"),  # files of the index
        ("n.test", "", "n", "3"),
    ]


def test_the_proxies_that_bazel_gets(tmp_path: Path) -> None:
    text = 'Acquire::http::Proxy "http://p.test:1"; Acquire::http::Proxy::b.test "DIRECT";'
    _write(tmp_path / "etc/apt/apt.conf", text)
    mirrors = ("http://a.test/debian", "http://b.test/debian")
    here = settings.Site(mirrors, (), "https://pypi.test/simple", "http://a.test/npm", None)
    assert here.proxies({"no_proxy": ".x"}, tmp_path) == {
        "http_proxy": "http://p.test:1",
        "no_proxy": ".x,b.test,pypi.test",
    }
    assert here.proxies({"HTTP_PROXY": "http://own.test"}, tmp_path) == {}
