"""Secrets are known by their names, and do not get out."""

from __future__ import annotations

import pytest

from hybridpress.config import Layer, RunConfig
from hybridpress.config.secrets import is_secret, masked, masked_url


@pytest.mark.parametrize(
    "name",
    ["token", "TOKEN", "accessToken", "db-password", "db.passwd", "API_KEY", "apiKey", "x-api-key", "apikey", "secret",
     "client_secret", "Authorization", "auth", "pwd", "private_key", "credentials", "token2", "oauthToken"],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name", ["", "size", "key", "keys", "tokens_per_page", "author", "passenger", "monkey", "user", "secretary", "42"]
)
def test_other_names(name: str) -> None:
    assert not is_secret(name)


def test_masked_at_any_depth() -> None:
    """A secret that is not there is not made to look as if it were."""
    assert masked({"size": 5, "token": "abc", "user": {"name": "x", "password": "y"}, "all": [{"secret": 1}]}) == {
        "size": 5,
        "token": "***",
        "user": {"name": "x", "password": "***"},
        "all": [{"secret": "***"}],
    }
    assert masked({"token": "", "password": None}) == {"token": "", "password": None}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://ann:pa55@host:80/x", "http://ann:***@host:80/x"),
        ("http://:pa55@host", "http://:***@host"),
        ("http://ann@host", "http://ann@host"),
        ("http://host/a:b@c", "http://host/a:b@c"),
        ("https://[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_passwords_in_urls(url: str, shown: str) -> None:
    assert masked_url(url) == shown


def test_settings_as_results_have_them() -> None:
    settings = {"param": ["token=abc", "size=5"], "host": "http://ann:pa55@127.0.0.1"}
    config = RunConfig.build("a.py:A", [Layer(settings, lambda name: name)])
    shown = config.as_settings()
    assert shown["param"] == {"token": "***", "size": "5"}
    assert shown["host"] == config.shown_host == "http://ann:***@127.0.0.1"
    assert (config.params["token"], config.host) == ("abc", "http://ann:pa55@127.0.0.1")
