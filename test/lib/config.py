# SPDX-License-Identifier: Apache-2.0
"""Builders for bootstrap configurations, as plain dicts that a test may change before it starts the proxy."""

PACKAGES = "type.googleapis.com/envoy.extensions."


def typed(name, type_name, **config):
    """A `name` + `typed_config` pair; `type_name` is below envoy.extensions."""
    return {"name": name, "typed_config": {"@type": PACKAGES + type_name, **config}}


def address(port=0, ip="127.0.0.1"):
    if isinstance(port, str):
        return {"pipe": {"path": port}}
    return {"socket_address": {"address": ip, "port_value": port}}


def network_filter(kind, message, **config):
    return typed(f"envoy.filters.network.{kind}", f"filters.network.{kind}.v3.{message}", **config)


def http_filter(kind, message, **config):
    return typed(f"envoy.filters.http.{kind}", f"filters.http.{kind}.v3.{message}", **config)


def tcp_proxy(cluster=None, stat_prefix="tcp", **config):
    if cluster is not None:
        config["cluster"] = cluster
    return network_filter("tcp_proxy", "TcpProxy", stat_prefix=stat_prefix, **config)


def router(**config):
    return http_filter("router", "Router", **config)


def route(cluster=None, prefix="/", match=None, action=None, **extra):
    """One route: to a cluster by prefix, unless `match` or `action` say otherwise."""
    return {"match": match or {"prefix": prefix}, **({"route": {"cluster": cluster, **(action or {})}} if cluster else {}), **extra}


def virtual_host(*routes, name="all", domains=("*",), **extra):
    return {"name": name, "domains": list(domains), "routes": list(routes), **extra}


def hcm(*routes, virtual_hosts=None, filters=(), router_config=None, stat_prefix="in", route_config=None, **config):
    """http_connection_manager with one virtual host of `routes` (or the given ones), `filters`, and the router."""
    table = {"name": "local", "virtual_hosts": virtual_hosts or [virtual_host(*routes)], **(route_config or {})}
    return network_filter("http_connection_manager", "HttpConnectionManager", stat_prefix=stat_prefix,
                          route_config=table, http_filters=[*filters, router(**(router_config or {}))], **config)


def listener(*filters, name="main", port=0, ip="127.0.0.1", **extra):
    return {"name": name, "address": address(port, ip), "filter_chains": [{"filters": list(filters)}], **extra}


def cluster(name, *ports, ip="127.0.0.1", kind="STATIC", **extra):
    """A cluster whose hosts are ports, unix paths, or ready lb_endpoints (dicts)."""
    endpoints = [p if isinstance(p, dict) else {"endpoint": {"address": address(p, ip)}} for p in ports]
    return {"name": name, "type": kind, "connect_timeout": "5s",
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}, **extra}


def bootstrap(listeners, clusters=(), **extra):
    return {"admin": {"address": address()},
            "static_resources": {"listeners": list(listeners), "clusters": list(clusters)}, **extra}


def http(*routes, clusters=(), **options):
    """The shortest whole configuration: one listener, one connection manager."""
    return bootstrap([listener(hcm(*routes, **options))], clusters)


def direct(status=200, body="", prefix="/", **extra):
    """A route answered by the proxy itself."""
    action = {"status": status, **({"body": {"inline_string": body}} if body else {})}
    return {"match": {"prefix": prefix}, "direct_response": action, **extra}


def file_log(path, format=None, **extra):
    """An access log to a file; `format` is a text format line."""
    config = {"path": str(path)}
    if isinstance(format, dict):
        config["log_format"] = {"json_format": format}
    elif format is not None:
        config["log_format"] = {"text_format_source": {"inline_string": format}}
    return {**typed("envoy.access_loggers.file", "access_loggers.file.v3.FileAccessLog", **config), **extra}
