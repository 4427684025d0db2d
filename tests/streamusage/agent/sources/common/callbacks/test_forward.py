"""`forward_to`: a check of the operator decides about the callbacks that the agent receives."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from streamusage.agent.sources.common.callbacks.forward import (
    EVERY_CALL,
    CallbackForward,
    CallbackSection,
    check_options,
)
from streamusage.agent.sources.common.callbacks.spool import CallbackSpool, decode_spool_lines
from streamusage.agent.sources.nginx_rtmp.callbacks import call_of
from streamusage.core.addresses import Address
from streamusage.core.clock import SystemClock
from tests.support.operator_check import OperatorCheck
from tests.support.real.processes import free_port
from tests.support.waiting import LONGEST_WAIT_S

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def check() -> AsyncIterator[OperatorCheck]:
    async with OperatorCheck("stolen") as running:
        yield running


def forwarding_spool(directory: Path, forward: CallbackForward) -> CallbackSpool:
    address = Address("127.0.0.1", free_port())
    return CallbackSpool(address, directory / "hooks", SystemClock(), forward=forward, call_of=call_of)


async def post(spool: CallbackSpool, body: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=LONGEST_WAIT_S) as http:
        url = f"http://127.0.0.1:{spool.address.port}/nginx"
        return await http.post(url, content=body, headers={"Content-Type": FORM})


async def test_answer_of_the_check_is_the_answer_of_the_agent(check: OperatorCheck, tmp_path: Path) -> None:
    spool = forwarding_spool(tmp_path, CallbackForward({"publish": check.url}))
    await spool.start()
    assert (await post(spool, "call=publish&name=stolen")).status_code == 403
    assert (await post(spool, "call=publish&name=mine")).status_code == 200
    assert (await post(spool, "call=play&name=stolen")).status_code == 200
    assert check.bodies == ["call=publish&name=stolen", "call=publish&name=mine"]
    assert set(check.content_types) == {FORM}
    entries = [entry for entry in decode_spool_lines(spool.path.read_bytes().splitlines()) if not entry.mark]
    assert [(entry.body, entry.refused) for entry in entries] == [
        ("call=publish&name=stolen", True),
        ("call=publish&name=mine", False),
        ("call=play&name=stolen", False),
    ]
    await spool.close()


async def test_redirect_is_passed_on_with_its_location(tmp_path: Path) -> None:
    async with OperatorCheck(answer="302 Found\r\nLocation: other-name") as check:
        spool = forwarding_spool(tmp_path, CallbackForward({EVERY_CALL: check.url}))
        await spool.start()
        answer = await post(spool, "call=publish&name=x")
        assert (answer.status_code, answer.headers["Location"]) == (302, "other-name")
        assert not decode_spool_lines(spool.path.read_bytes().splitlines())[-1].refused
        await spool.close()


@pytest.mark.parametrize(("accepts", "status"), [(False, 403), (True, 200)])
@pytest.mark.parametrize("failure", ["away", "slow", "no http", "odd location"])
async def test_check_that_gives_no_answer_refuses_unless_configured_otherwise(
    failure: str, accepts: bool, status: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answer = {"no http": "nonsense", "odd location": f"302 Found\r\nLocation: {'x' * 5000}"}.get(failure, "")
    async with OperatorCheck(answer=answer, delay_seconds=3.0 if failure == "slow" else 0.0) as check:
        url = "http://127.0.0.1:9/" if failure == "away" else check.url
        forward = CallbackForward({"publish": url}, options=check_options(0.3), accepts_if_failed=accepts)
        spool = forwarding_spool(tmp_path, forward)
        await spool.start()
        assert [(await post(spool, "call=publish&name=x")).status_code for _ in range(2)] == [status, status]
        errors = [record.getMessage() for record in caplog.records if "forward_failed" in record.getMessage()]
        assert len(errors) == 1
        assert ("accepted" if accepts else "refused") in errors[0]
        assert "secret" not in errors[0]
        await spool.close()


def section(**fields: object) -> CallbackSection:
    return CallbackSection.model_validate({"kind": "x", **fields})


def test_setting_is_one_url_or_one_for_each_call() -> None:
    both = {"notify_listen": "127.0.0.1:1", "forward_to": "http://127.0.0.1/check"}
    assert CallbackForward.of(section(**both)).knows("play")
    single = CallbackForward.of(section(**both | {"forward_to": {"publish": "http://127.0.0.1/check"}}))
    assert (single.knows("publish"), single.knows("play")) == (True, False)
    assert not CallbackForward.of(section()).knows("publish")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"forward_to": "http://127.0.0.1/check"}, "set notify_listen too"),
        ({"notify_listen": "127.0.0.1:1", "forward_to": "ftp://x/"}, "not an HTTP URL"),
        ({"notify_listen": "127.0.0.1:1", "forward_to": {"publish": 1}}, "forward_to"),
        ({"notify_listen": "127.0.0.1:1", "forward_timeout": "1m"}, "forward_timeout"),
        ({"notify_listen": "127.0.0.1:1", "forward_failed": "maybe"}, "forward_failed"),
    ],
)
def test_wrong_setting_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        section(**fields)
