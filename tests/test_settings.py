"""Settings: defaults that are safe, faults that are all told, secrets that never are, and files that say the truth."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gateway.model.destinations import FolderDestination, PacsDestination
from gateway.model.errors import RoutesFault, SettingsFault
from gateway.options import hint
from gateway.settings import PREFIX, Settings, load_routes, load_settings

CONFIG = Path(__file__).parent.parent / "config"
WITHOUT_DEFAULT = {
    *(("web", "certificate_file"), ("web", "address")),
    *(("oidc", key) for key in ("issuer", "client_id", "client_secret", "ca_file", "proxy", "roles")),
    *(("database", "url"), ("routes", "file"), ("workers", "max_memory_bytes"), ("workers", "noise_folder")),
    ("workers", "piece_memory_bytes"),
    *(
        ("recordings", "watch_folder"),
        ("recordings", "keep_days"),
        ("recordings", "keep_series_days"),
        ("models", "folder"),
    ),
    *(("dicom", "tls"), ("dicom", "callers")),
    ("webhook", "url"),
    ("webhook", "allowed_hosts"),
    ("webhook", "secret"),
    ("webhook", "ca_file"),
    ("email", "host"),
    ("email", "user"),
    ("email", "sender"),
    ("email", "to"),
    ("email", "ca_file"),
    *(("atna", key) for key in ("host", "allowed_hosts", "ca_file", "certificate_file", "key_file")),
    *(("atna", key) for key in ("source_id", "site_id")),
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.upper().startswith((PREFIX, "GATEWAY_CONFIG")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "etc" / "gateway.toml"


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def faults(file: Path | None) -> list[str]:
    with pytest.raises(SettingsFault) as fault:
        load_settings(file)
    assert fault.value.exit_code == 2
    return fault.value.faults


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in Settings.model_fields.items():
        assert isinstance(field.annotation, type)
        yield name, field.annotation


def keys() -> Iterator[tuple[str, str, Any]]:
    for name, section in sections():
        for key, field in section.model_fields.items():
            yield name, key, field.default


def test_without_any_configuration_the_gateway_keeps_to_itself(tmp_path: Path) -> None:
    settings = load_settings(None)
    assert settings.data.folder == tmp_path / "gateway-data"
    assert settings.database_url.get_secret_value() == f"sqlite:///{tmp_path}/gateway-data/gateway.db"
    assert (settings.listener.host, settings.web.host) == ("127.0.0.1", "127.0.0.1")


def test_every_section_and_every_key_is_explained() -> None:
    for name, section in sections():
        assert section.__doc__, name
        assert [key for key, field in section.model_fields.items() if not field.description] == []


def test_a_file_named_by_the_environment_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_CONFIG", str(write(file, "[web]\nport = 81")))
    assert load_settings(None).web.port == 81


def test_the_file_that_is_given_stands_above_the_one_in_the_environment(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_CONFIG", "/nowhere.toml")
    assert load_settings(write(file, "[web]\nport = 81")).web.port == 81


@pytest.mark.parametrize("variable", ["GATEWAY__WEB__PORT", "gateway__web__port"])
def test_the_environment_stands_above_the_file(file: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "82")
    web = load_settings(write(file, "[web]\nport = 81\nenabled = false")).web
    assert (web.port, web.enabled) == (82, False)


def test_relative_paths_start_at_the_folder_of_the_file(file: Path) -> None:
    settings = load_settings(write(file, '[data]\nfolder = "../var"\n[routes]\nfile = "routes.toml"'))
    assert settings.data.spool_folder == file.parent / "../var/spool"
    assert settings.routes.file == file.parent / "routes.toml"


def test_absolute_paths_stay(file: Path) -> None:
    assert load_settings(write(file, '[data]\nfolder = "/srv/mr"')).data.outbox_folder == Path("/srv/mr/outbox")


def test_all_faults_come_at_once_with_line_key_and_what_was_meant(file: Path) -> None:
    text = """\
[listner]
port = 1
[listener]
prot = 9
port = 99999
max_sessions = "many"
[queue]
lease_s = 10
[log]
level = "loud"
"""
    assert faults(write(file, text)) == [
        "line 1: listner: unknown key; did you mean 'listener'?",
        "line 4: listener.prot: unknown key; did you mean 'port'?",
        "line 5: listener.port: Input should be less than or equal to 65535",
        "line 6: listener.max_sessions: Input should be a valid integer, unable to parse string as an integer",
        "line 7: queue: lease_s must be at least three times heartbeat_s",
        "line 10: log.level: Input should be 'debug', 'info', 'warning' or 'error'",
    ]


def test_faults_of_the_environment_name_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY__LISTNER__PORT", "1")
    monkeypatch.setenv("GATEWAY__WEB__PROT", "1")
    monkeypatch.setenv("GATEWAY__QUEUE__POLL_S", "soon")
    assert sorted(faults(None)) == [
        "GATEWAY__LISTNER__PORT: listner: unknown key; did you mean 'listener'?",
        "GATEWAY__QUEUE__POLL_S: queue.poll_s: Input should be a valid number, unable to parse string as a number",
        "GATEWAY__WEB__PROT: web.prot: unknown key; did you mean 'port'?",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[queue]\nlease_s = 59.9", "three times heartbeat_s"),
        ("[queue]\nretry_first_s = 901", "must grow in this order"),
        ("[queue]\ngive_up_after_s = 899", "must grow in this order"),
        ("[queue]\npoll_s = 0", "greater than 0"),
        ("[queue]\nlease_s = inf", "finite"),
        ("[queue]\nlease_s = nan", "queue.lease_s"),
        ("[listener]\nmax_sessions = 7", "max_sessions_per_address must not be more"),
        ("[listener]\nsession_timeout_s = 899", "session_timeout_s must not be less"),
        ("[listener]\nport = 8002", "listener.port and web.port must differ"),
        ("[listener]\nport = 0", "greater than or equal to 1"),
        ("[workers]\ncount = 0", "greater than or equal to 1"),
        ('[workers]\ndevice = "gpu"', "workers.device"),
        ('[database]\nurl = "sqlite:///here.db"', "absolute path"),
        ('[database]\nurl = "mysql://host/db"', "postgresql"),
        ("listener = 3", "line 1: listener: must be a table"),
        ('_env_file = "x"', "line 1: _env_file: unknown key"),
        ("[listener\n", "line 1, column 10"),
        ("[web]\nport = 1\nport = 2", "line 3, column 9"),
    ],
)
def test_what_cannot_be_is_refused(file: Path, text: str, fault: str) -> None:
    (told,) = faults(write(file, text))
    assert fault in told


@pytest.mark.parametrize(
    "text",
    [
        "[queue]\nlease_s = 60\nheartbeat_s = 20",
        "[queue]\nretry_first_s = 900",
        "[listener]\nmax_sessions = 8",
        "[listener]\nport = 8002\n[web]\nenabled = false",
        '[web]\nhost = "::1"',
        '[web]\nhost = "localhost"',
        '[web]\nhost = "0.0.0.0"\nallow_unauthenticated = true',
        '[workers]\ndevice = "cuda:1"',
        '[database]\nurl = "sqlite:////srv/gateway.db"',
        "\ufeff[web]\nport = 1",
    ],
)
def test_what_can_be_is_taken(file: Path, text: str) -> None:
    load_settings(write(file, text))


def test_a_secret_is_told_neither_by_the_settings_nor_by_a_fault(file: Path) -> None:
    good = load_settings(write(file, '[database]\nurl = "postgresql+psycopg://me:canary@db/gateway"'))
    assert "canary" not in f"{good!r} {good} {good.model_dump()} {good.database_url!r}"
    assert good.database_url.get_secret_value().endswith("canary@db/gateway")
    told = faults(write(file, '[database]\nurl = "mysql://me:canary@db"\nulr = "mysql://me:canary@db"'))
    assert len(told) == 2
    assert "canary" not in " ".join(told)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings(None).web.port = 1  # type: ignore[misc]


def test_a_file_that_is_not_there_or_no_text_is_a_fault(tmp_path: Path) -> None:
    assert faults(tmp_path / "none.toml") == ["cannot be read: No such file or directory"]
    (tmp_path / "latin.toml").write_bytes(b"# K\xf6ln")
    assert faults(tmp_path / "latin.toml") == ["is not UTF-8 text (byte 3)"]


def test_without_a_routes_file_everything_gets_auto_and_goes_to_a_folder(tmp_path: Path) -> None:
    routes = load_routes(load_settings(None))
    assert all(recipe.method == name for name, recipe in routes.recipes.items())
    assert {"auto", "fft", "grappa", "sense", "cg-sense", "nufft", "cg-nufft"} <= set(routes.recipes)
    assert routes.destinations == {"folder": FolderDestination(path=tmp_path / "gateway-data" / "series")}
    assert [(rule.name, rule.recipe, rule.destinations) for rule in routes.rules] == [
        ("everything", "auto", ("folder",))
    ]


def test_faults_of_the_routes_name_their_file_and_line(file: Path) -> None:
    write(file.parent / "routes.toml", '[recipes.fft]\nmethod = "fft"\nmethd = 1\n')
    settings = load_settings(write(file, '[routes]\nfile = "routes.toml"'))
    with pytest.raises(RoutesFault, match=r"etc/routes.toml: 3 fault\(s\)\n(.*\n)*  line 3: recipes.fft.methd"):
        load_routes(settings)


def test_a_routes_file_that_is_not_there_is_a_fault(file: Path) -> None:
    settings = load_settings(write(file, '[routes]\nfile = "none.toml"'))
    with pytest.raises(RoutesFault, match=r"none\.toml"):
        load_routes(settings)


def test_the_routes_we_ship_send_to_a_pacs_and_to_a_folder_beside_the_file(file: Path) -> None:
    settings = load_settings(write(file, f'[routes]\nfile = "{CONFIG / "routes.toml"}"'))
    destinations = load_routes(settings).destinations
    assert isinstance(destinations["pacs"], PacsDestination)
    assert destinations["folder"] == FolderDestination(path=CONFIG / "series")


def test_the_file_we_ship_changes_nothing() -> None:
    shipped, embedded = load_settings(CONFIG / "gateway.toml"), load_settings(None)
    assert shipped.model_dump(exclude={"data"}) == embedded.model_dump(exclude={"data"})
    assert shipped.data.folder == CONFIG / "gateway-data"


def test_the_file_we_ship_shows_every_key_with_its_default(file: Path) -> None:
    text = re.sub(r"^#(?=[a-z_]+ = )", "", (CONFIG / "gateway.toml").read_text(), flags=re.MULTILINE)
    shown = load_settings(write(file, text))
    for section, key, default in keys():
        assert re.search(rf"^{key} = ", text, flags=re.MULTILINE), f"{section}.{key}"
        assert key in getattr(shown, section).model_fields_set, f"{section}.{key}"
        if (section, key) not in WITHOUT_DEFAULT | {("data", "folder")}:
            assert getattr(getattr(shown, section), key) == default, f"{section}.{key}"
    assert shown.data.folder == file.parent / "gateway-data"


CALLERS = '\n[[dicom.callers]]\nae_title = "PACS"\naddresses = ["192.0.2.7", "2001:db8::/32"]\n'


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("plain = true", "nobody may call"),
        (CALLERS, "would speak in the clear"),
        (f'plain = true\ntls = {{ certificate_file = "a", ca_file = "b" }}{CALLERS}', "contradicts TLS"),
        (f"plain = true\nport = 9002{CALLERS}", "listener.port and dicom.port must differ"),
        (f"plain = true{CALLERS}".replace("192.0.2.7", "192.0.2.7.1"), "addresses"),
        (f'plain = true\nae_title = "THIS IS MUCH TOO LONG"{CALLERS}', "ae_title"),
    ],
)
def test_our_dicom_port_says_who_may_call_and_how(said: str, fault: str, file: Path) -> None:
    with pytest.raises(SettingsFault, match=fault):
        load_settings(write(file, f"[dicom]\nenabled = true\n{said}"))
    load_settings(write(file, f"[dicom]\nenabled = true\nplain = true\n{CALLERS}"))


def test_certificates_of_our_dicom_port_lie_beside_the_file(file: Path) -> None:
    tls = 'tls = { certificate_file = "gateway.pem", ca_file = "/etc/ca.crt" }'
    dicom = load_settings(write(file, f"[dicom]\nenabled = true\n{tls}\n{CALLERS}")).dicom
    assert dicom.tls is not None
    assert (dicom.tls.certificate_file, dicom.tls.key_file) == (file.parent / "gateway.pem", None)
    assert dicom.tls.ca_file == Path("/etc/ca.crt")


PROVIDER = 'issuer = "https://login.example.org/realms/x"\nclient_id = "gateway"\n'
HOOK = 'url = "https://chat.example.org/x"\nallowed_hosts = ["chat.example.org"]\nsecret = "0123456789abcdef"\n'


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (f"[webhook]\n{HOOK}".replace('["chat.example.org"]', '["example.org"]'), "allowed_hosts must name"),
        (f"[webhook]\n{HOOK}".replace("https", "http"), "https, anywhere but on this machine"),
        (f"[webhook]\n{HOOK}".replace("0123456789abcdef", "short"), "16 characters"),
        (f"[webhook]\n{HOOK}".replace("chat.example.org/x", "anna:pw@chat.example.org/x"), "webhook.url"),
        ('[email]\nhost = "mail"', "to must name somebody"),
        ('[email]\nhost = "mail"\nto = ["a@b"]\nsecurity = "none"', "only where the server is on this machine"),
        ('[email]\nto = ["nobody"]', "email.to"),
        (f"[oidc]\n{PROVIDER}".replace("https", "http"), "https, anywhere but on this machine"),
        (f"[oidc]\n{PROVIDER}".replace("gateway", ""), "client_id must say"),
        (f'[oidc]\n{PROVIDER}scopes = ["profile"]', "scopes must have"),
        (f'[oidc]\n{PROVIDER}[oidc.roles]\nchief = ["a"]', "oidc.roles.chief"),
        (f'[oidc]\n{PROVIDER}[web]\nhost = "0.0.0.0"', "web.address must say where browsers come back to"),
        ('[web]\naddress = "mri.example"', "web.address"),
    ],
)
def test_nobody_is_told_by_a_way_that_is_not_safe(file: Path, said: str, fault: str) -> None:
    with pytest.raises(SettingsFault, match=fault):
        load_settings(write(file, said))


def test_telling_needs_its_files_from_the_folder_of_the_settings(file: Path) -> None:
    settings = load_settings(write(file, f'[webhook]\n{HOOK}ca_file = "ca.pem"'))
    assert settings.webhook.ca_file == file.parent / "ca.pem"
    assert settings.webhook.url == "https://chat.example.org/x"


def test_settings_in_the_current_folder_that_nobody_named_are_mentioned(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(config: Path | None) -> bool:
        assert hint(config) == config
        return "gateway.toml in this folder is not read" in capsys.readouterr().err

    assert not said(None)
    Path("gateway.toml").touch()
    assert said(None)
    assert not said(Path("other.toml"))
    monkeypatch.setattr("sys.argv", ["gateway", "work", "--leashed"])
    assert not said(None)
