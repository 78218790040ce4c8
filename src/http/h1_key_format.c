/* SPDX-License-Identifier: Apache-2.0 */
#include "http/h1_key_format.h"

#include "codec/pb/pb.h"
#include "envoy/config/core/v3/protocol.nu.h"
#include "envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case.nu.h"
#include "google/protobuf/any.nu.h"

void nu_h1_key_format_build(struct nu_factory *f,
                            const struct envoy_config_core_v3_Http1ProtocolOptions_HeaderKeyFormat *msg,
                            struct nu_h1_options *h1)
{
    if (msg == NULL)
        return;
    h1->proper_case = msg->proper_case_words != NULL;
    if (msg->stateful_formatter == NULL)
        return;
    const struct google_protobuf_Any *any = msg->stateful_formatter->typed_config;
    const struct envoy_extensions_http_header_formatters_preserve_case_v3_PreserveCaseFormatterConfig *p =
        NU_PB_AS(any != NULL ? any->msg : NULL,
                 envoy_extensions_http_header_formatters_preserve_case_v3_PreserveCaseFormatterConfig);
    if (p == NULL) {
        nu_pb_unsupported(f->diags, msg, "stateful_formatter", "only the preserve_case formatter is supported");
        return;
    }
    h1->preserve_case = true;
    h1->preserve_case_forward_reason_phrase = p->forward_reason_phrase;
    h1->preserve_case_default = (int)p->formatter_type_on_envoy_headers == 1 ? NU_FORMATTER_PROPER_CASE
                                                                             : NU_FORMATTER_DEFAULT_CASE;
}
