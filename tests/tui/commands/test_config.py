"""`streamtop config`: values and sources of all settings."""

import json

from tests.support.program import Program


async def test_config_prints_values_and_sources_without_tokens(streamtop: Program) -> None:
    profile = '[profiles.prod]\nurl = "http://sm:5080"\ntoken_env = "T"\ntheme = "light"\n'
    alerts = '[profiles.prod.alerts]\nafter = "5m"\ncommand = ["page-me", "now or never"]\n'
    streamtop.configure(profile + alerts + '[keys]\ngaps = "w"\n')
    ended = await streamtop("config", "--profile", "prod", "--format", "json", T="s3cret-token")
    assert ended.code == 0, ended.err
    settings = {row["setting"]: row for row in json.loads(ended.out)}
    assert (settings["url"]["value"], settings["url"]["source"]) == ("http://sm:5080", "profile prod")
    assert (settings["token"]["value"], settings["token"]["source"]) == ("given", "profile prod")
    assert settings["theme"]["value"] == "light"
    assert settings["theme"]["source"].endswith("[profiles.prod]")
    assert settings["poll_interval"]["source"] == "default"
    assert settings["read_only"]["meaning"]
    assert settings["keys.gaps"]["value"] == "w"
    assert settings["alerts.after"]["value"] == "300.0"
    assert settings["alerts.command"]["value"] == "page-me 'now or never'"
    assert settings["alerts.after"]["source"].endswith("[profiles.prod.alerts]")
    assert settings["alerts.bell"]["source"] == "default"
    assert all(settings[f"alerts.{part}"]["meaning"] for part in ("after", "bell", "notify", "command"))
    assert "s3cret-token" not in ended.out + ended.err
