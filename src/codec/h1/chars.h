/* SPDX-License-Identifier: Apache-2.0
 *
 * Character classes of HTTP/1 (RFC 9110 s5.6.2, s5.5; RFC 3986). */
#ifndef NU_CODEC_H1_CHARS_H
#define NU_CODEC_H1_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lower-cased token character, or 0 when the byte is none. */
extern const uint8_t nu_h1_token[256];

/* No CTL but HTAB: field values (obs-text is allowed). */
bool nu_h1_value_ok(const uint8_t *p, size_t n);
/* Visible ASCII only: request targets, as Envoy takes them. */
bool nu_h1_target_ok(const uint8_t *p, size_t n);

#endif
