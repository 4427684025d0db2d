"""What is found in icecast.xml."""

from pathlib import Path

import pytest

from streamusage.agent.setup.icecast_facts import IcecastConfigurationError, find_icecast_facts

FORM = """<icecast>
  <authentication><admin-user>boss</admin-user><admin-password>s3cret</admin-password></authentication>
  {}
</icecast>"""


@pytest.mark.parametrize(
    ("sockets", "url"),
    [
        ("<listen-socket><port>8010</port></listen-socket>", "http://127.0.0.1:8010"),
        ("<listen-socket><port>8010</port><bind-address>::1</bind-address></listen-socket>", "http://[::1]:8010"),
        (
            "<listen-socket><port>8443</port><ssl>1</ssl></listen-socket>"
            "<listen-socket><port>8000</port><bind-address>10.0.0.4</bind-address></listen-socket>",
            "http://10.0.0.4:8000",
        ),
        ("<listen-socket><port>8443</port><ssl>1</ssl></listen-socket>", "https://127.0.0.1:8443"),
        ("<port>8020</port>", "http://127.0.0.1:8020"),
        ("", "http://127.0.0.1:8000"),
    ],
)
def test_url_is_that_of_a_socket(sockets: str, url: str) -> None:
    facts = find_icecast_facts(FORM.format(sockets))
    assert (facts.url, facts.user, facts.password) == (url, "boss", "s3cret")
    assert "s3cret" not in repr(facts)


@pytest.mark.parametrize(
    ("paths", "log"),
    [
        ("<paths><logdir>/var/log/icecast2</logdir></paths>", Path("/var/log/icecast2/access.log")),
        (
            "<paths><logdir>/log</logdir><basedir>/srv/ice</basedir></paths><logging><accesslog>a.log</accesslog>"
            "</logging><security><chroot>1</chroot></security>",
            Path("/srv/ice/log/a.log"),
        ),
        ("", None),
    ],
)
def test_log(paths: str, log: Path | None) -> None:
    assert find_icecast_facts(FORM.format(paths)).access_log == log


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<icecast>", "not valid XML at line 1"),
        ("<other/>", "not icecast"),
        ("<icecast/>", "no admin-password"),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(IcecastConfigurationError, match=message):
        find_icecast_facts(text)
