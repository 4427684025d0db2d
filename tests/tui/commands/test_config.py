"""`streamtop config`: values and sources of all settings, as a file and as lists."""

import json
import tomllib

from tests.support.program import Program

PROFILE = '[profiles.prod]\nurl = "http://sm:5080"\ntoken_env = "T"\ntheme = "light"\n'
ALERTS = '[profiles.prod.alerts]\nafter = "5m"\ncommand = ["page-me", "now or never"]\n'


async def test_config_lists_values_and_sources_without_tokens(streamtop: Program) -> None:
    streamtop.configure(PROFILE + ALERTS + '[keys]\ngaps = "w"\n')
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


async def test_config_prints_a_file_with_the_source_of_each_setting_and_without_tokens(streamtop: Program) -> None:
    streamtop.configure(PROFILE + ALERTS)
    variables = {"T": "s3cret-token", "STREAMTOP_PROXY": "http://proxy:3128"}
    ended = await streamtop("config", "--profile", "prod", **variables)
    assert ended.code == 0, ended.err
    profile = tomllib.loads(ended.out)["profiles"]["prod"]
    assert profile == {
        "url": "http://sm:5080",
        "token_env": "T",
        "proxy": "http://proxy:3128",
        "theme": "light",
        "alerts": {"after": "5m", "command": ["page-me", "now or never"]},
    }
    lines = {line.removeprefix("# ").partition(" ")[0]: line for line in ended.out.splitlines()}
    assert lines["proxy"].endswith("# STREAMTOP_PROXY")
    assert lines["theme"].endswith("config.toml [profiles.prod]")
    assert lines["poll_interval"] == "# poll_interval = 2.0  # default"
    assert '# Poll interval of the console: seconds, or text such as "2s".' in ended.out.splitlines()
    assert max(map(len, ended.out.splitlines())) <= 100 + len(str(streamtop.home))
    assert "s3cret-token" not in ended.out + ended.err


async def test_keys_are_listed_by_view(streamtop: Program) -> None:
    streamtop.configure('[keys]\ngaps = "w"\n')
    rows = json.loads((await streamtop("config", "--keys", "--format", "json")).out)
    views = list(dict.fromkeys(row["view"] for row in rows))
    assert views == ["every view", "sessions", "servers", "gaps", "gap", "days"]
    assert [row["view"] for row in rows] == sorted((row["view"] for row in rows), key=views.index)
    named = {(row["view"], row["setting"]): row["value"] for row in rows}
    assert named["every view", "quit"] == "q,ctrl+c"
    assert named["sessions", "gaps"] == "w"
    assert named["servers", "open"] == "enter,g"
    assert named["days", "open"] == "enter"
    table = (await streamtop("config", "--keys")).out.splitlines()
    assert table[0].split() == ["VIEW", "ACTION", "KEYS", "SOURCE", "MEANING"]


async def test_mistyped_profile_is_answered_with_what_it_may_mean(streamtop: Program) -> None:
    streamtop.configure(PROFILE)
    ended = await streamtop("config", "--profile", "prd")
    assert (ended.code, "is named 'prd'; did you mean prod? known: prod" in ended.err) == (2, True), ended.err
