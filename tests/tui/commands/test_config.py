"""`streamtop config`: values and sources of all settings."""

import json

from tests.support.program import Program


async def test_config_prints_values_and_sources_without_tokens(streamtop: Program) -> None:
    profile = '[profiles.prod]\nurl = "http://sm:5080"\ntoken_env = "T"\ntheme = "light"\n'
    alerts = '[profiles.prod.alerts]\nafter = "5m"\ncommand = ["page-me", "now or never"]\n'
    streamtop.configure(profile + alerts + '[keys]\ngaps = "w"\n')
    ended = await streamtop("config", "--profile", "prod", "--format", "json", T="s3cret-token")
    assert ended.code == 0, ended.err
    told = {row["setting"]: row for row in json.loads(ended.out)}
    assert (told["url"]["value"], told["url"]["source"]) == ("http://sm:5080", "profile prod")
    assert (told["token"]["value"], told["token"]["source"]) == ("given", "profile prod")
    assert told["theme"]["value"] == "light"
    assert told["theme"]["source"].endswith("[profiles.prod]")
    assert told["poll_interval"]["source"] == "default"
    assert told["read_only"]["meaning"]
    assert told["keys.gaps"]["value"] == "w"
    assert (told["alerts.after"]["value"], told["alerts.command"]["value"]) == ("300.0", "page-me 'now or never'")
    assert told["alerts.after"]["source"].endswith("[profiles.prod.alerts]")
    assert told["alerts.bell"]["source"] == "default"
    assert all(told[f"alerts.{part}"]["meaning"] for part in ("after", "bell", "notify", "command"))
    assert "s3cret-token" not in ended.out + ended.err
