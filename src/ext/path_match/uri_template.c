/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.path.match.uri_template: routes match by URI template. The work is in
 * router/path_template.c. */
#include "codec/pb/pb.h"
#include "envoy/extensions/path/match/uri_template/v3/uri_template_match.nu.h"
#include "net/extension.h"
#include "router/path_template.h"

static const struct nu_path_template *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    const struct envoy_extensions_path_match_uri_template_v3_UriTemplateMatchConfig *m =
        NU_PB_AS(msg, envoy_extensions_path_match_uri_template_v3_UriTemplateMatchConfig);
    if (m == NULL)
        return NULL;
    const char *why;
    const struct nu_path_template *t = nu_path_template_parse(f->arena, m->path_template, &why);
    if (t == NULL)
        nu_pb_error(f->diags, m, "path_template", "invalid template: %s", why);
    return t;
}

static const struct nu_path_template_factory factory = {.create = create};

const struct nu_extension nu_ext_path_match_uri_template = {
    .category = "envoy.path.match",
    .name = "envoy.path.match.uri_template.uri_template_matcher",
    .config_type = &envoy_extensions_path_match_uri_template_v3_UriTemplateMatchConfig_type,
    .ops = &factory,
};
