/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NU_UPSTREAM_LB_PRIV_H
#define NU_UPSTREAM_LB_PRIV_H

/* Frees a worker's balancer state of a cluster (no worker may be using it). */
void nu_lb_local_free(void **local);

#endif
