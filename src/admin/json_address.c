/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/json_address.h"

void nu_json_address(struct nu_json *j, const struct nu_address *a)
{
    char text[NU_SOCKADDR_TEXT];
    nu_json_open(j, '{');
    if (a->sock.family == AF_UNIX) {
        nu_json_kopen(j, "pipe", '{');
        if (a->path.len > 0)
            nu_json_kstr(j, "path", a->path);
        if (a->mode != 0)
            nu_json_ku64(j, "mode", a->mode);
    } else {
        nu_json_kopen(j, "socket_address", '{');
        nu_json_kstr(j, "address", nu_sockaddr_text(&a->sock, true, text));
        if (nu_sockaddr_port(&a->sock) != 0)
            nu_json_ku64(j, "port_value", nu_sockaddr_port(&a->sock));
    }
    nu_json_close(j, '}');
    nu_json_close(j, '}');
}
