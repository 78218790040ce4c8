/* SPDX-License-Identifier: Apache-2.0
 *
 * What start-up leaves behind and nothing needs any more. */
#ifndef NU_SERVER_TRIM_H
#define NU_SERVER_TRIM_H

/* Gives memory back to the system: free heap, and the mappings of code and constants, of which a running proxy needs a
 * fraction and gets that back, page by page, from the page cache. After the configuration was applied; main thread. */
void nu_trim(void);

#endif
