/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS library that is linked. */
#ifndef NU_TLS_LIBRARY_H
#define NU_TLS_LIBRARY_H

/* Its name and version, "AWS-LC 5.12.0": for --version and the log, so that it can be told which of its fixes are in.
 * Any thread; a constant. */
const char *nu_tls_library(void);

#endif
