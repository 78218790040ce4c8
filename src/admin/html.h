/* SPDX-License-Identifier: Apache-2.0
 *
 * Pages of the admin interface: one style, a form per endpoint. Nothing is loaded from elsewhere and there is no script. */
#ifndef NU_ADMIN_HTML_H
#define NU_ADMIN_HTML_H

#include "admin/request.h"

/* Appends text with what HTML reads in it escaped. */
void nu_html_text(struct nu_sb *sb, nu_str text);
/* A page with the form of one endpoint, filled in as it was asked, and an open <pre>. */
void nu_html_begin(struct nu_sb *sb, const struct nu_admin_request *r, const struct nu_admin_endpoint *e);
void nu_html_end(struct nu_sb *sb);

#endif
