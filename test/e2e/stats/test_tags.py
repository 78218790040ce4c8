# SPDX-License-Identifier: Apache-2.0
"""stats_config.stats_tags: tags that are only named."""
import pytest

from lib import config as c
from lib.proxy import Failed, Proxy


def named(*tags, **extra):
    return {**c.http(c.direct()), "stats_config": {"stats_tags": [{"tag_name": tag} for tag in tags], **extra}}


def test_a_default_tag_that_is_named_is_there_as_before(proxy):
    p = proxy(named("envoy.http_conn_manager_prefix", "envoy.redis_prefix"))
    p.get()
    assert 'envoy_http_downstream_rq_total{envoy_http_conn_manager_prefix="in"}' in p.admin("/stats/prometheus").text


@pytest.mark.parametrize("name", ["mine", "envoy.", "cluster_name", "envoy.nothing"])
def test_a_tag_without_a_value_and_a_default(kind, tmp_path, name):
    with pytest.raises(Failed) as failed:
        Proxy(tmp_path, named(name), kind=kind).start()
    assert failed.value.code == 1 and "regex" in failed.value.log


@pytest.mark.own
def test_one_default_tag_alone_is_not_there_yet(tmp_path):
    with pytest.raises(Failed) as failed:
        Proxy(tmp_path, named("envoy.cluster_name", use_all_default_tags=False)).start()
    assert "not supported yet" in failed.value.log
