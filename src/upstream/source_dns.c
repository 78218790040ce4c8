/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "upstream/cluster_priv.h"

void nu_dns_conf_free(struct nu_dns_conf **d)
{
    nu_free(nu_take(d));
}

/* No build asks for it yet: config/ refuses the DNS types. */
struct nu_cluster_source *nu_dns_source_start(struct nu_cluster *c, struct nu_assignment *a, struct nu_dns_conf *conf,
                                              bool logical, void (*warm)(struct nu_cluster *c))
{
    (void)c, (void)a, (void)conf, (void)logical, (void)warm;
    NU_UNREACHABLE();
}

void nu_dns_source_stop(struct nu_cluster_source **s)
{
    NU_ASSERT(*s == NULL);
}
