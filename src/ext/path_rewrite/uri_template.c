/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.path.rewrite.uri_template: the path is rewritten from the variables of the route's URI template. The work is in
 * router/path_template.c. */
#include "codec/pb/pb.h"
#include "envoy/extensions/path/rewrite/uri_template/v3/uri_template_rewrite.nu.h"
#include "net/extension.h"
#include "router/path_template.h"

static const struct nu_path_template *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    const struct envoy_extensions_path_rewrite_uri_template_v3_UriTemplateRewriteConfig *m =
        NU_PB_AS(msg, envoy_extensions_path_rewrite_uri_template_v3_UriTemplateRewriteConfig);
    if (m == NULL)
        return NULL;
    const char *why;
    const struct nu_path_template *t = nu_path_rewrite_parse(f->arena, m->path_template_rewrite, &why);
    if (t == NULL)
        nu_pb_error(f->diags, m, "path_template_rewrite", "invalid template: %s", why);
    return t;
}

static const struct nu_path_template_factory factory = {.create = create};

const struct nu_extension nu_ext_path_rewrite_uri_template = {
    .category = "envoy.path.rewrite",
    .name = "envoy.path.rewrite.uri_template.uri_template_rewriter",
    .config_type = &envoy_extensions_path_rewrite_uri_template_v3_UriTemplateRewriteConfig_type,
    .ops = &factory,
};
