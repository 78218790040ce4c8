# SPDX-License-Identifier: Apache-2.0
"""A DNS server in a thread whose records a test changes while it runs: A and AAAA, TTLs, refusals, silence."""
import socket
import struct
import threading

A, AAAA = 1, 28
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3


class DnsServer:
    """records[name] is a list of addresses, or a response code, or None for no answer at all."""

    def __init__(self, records=None, ttl=1):
        self.records, self.ttl = dict(records or {}), ttl
        self.asked = []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                data, peer = self.sock.recvfrom(4096)
            except OSError:
                return
            answer = self.answer(data)
            if answer is not None:
                self.sock.sendto(answer, peer)

    def answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += query[at] + 1
        kind = struct.unpack("!H", query[at + 1:at + 3])[0]
        question = query[12:at + 5]
        name = ".".join(labels).lower()
        self.asked.append((name, kind))
        found = self.records.get(name, NXDOMAIN)
        if found is None:
            return None
        code = found if isinstance(found, int) else NOERROR
        wanted = [] if code else [a for a in found if (":" in a) == (kind == AAAA) and kind in (A, AAAA)]
        records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, self.ttl, 4 if kind == A else 16) +
                           socket.inet_pton(socket.AF_INET if kind == A else socket.AF_INET6, a) for a in wanted)
        return query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(wanted), 0, 0) + question + records

    def close(self):
        self.sock.close()


def resolver(port):
    """typed_dns_resolver_config for a cluster: c-ares, this server only."""
    return {"name": "envoy.network.dns_resolver.cares", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
        "resolvers": [{"socket_address": {"address": "127.0.0.1", "port_value": port}}],
        "dns_resolver_options": {"no_default_search_domain": True}}}
