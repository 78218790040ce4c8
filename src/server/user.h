/* SPDX-License-Identifier: Apache-2.0
 *
 * --user: a process that began as root goes on as somebody else, once its sockets are bound. Main thread. */
#ifndef NU_SERVER_USER_H
#define NU_SERVER_USER_H

#include "base/diag.h"

struct nu_user {
    const char *name; /* borrowed */
    unsigned uid, gid;
};

/* The user of a name, or of a number that has one; false: reported. Needs root, unless it is who runs the process. */
NU_NODISCARD bool nu_user_find(const char *name, struct nu_user *out, struct nu_diags *d);
/* Gives up everything else: the user's groups, group and user, for all threads and for good. dumpable: core files stay
 * allowed. false: reported. */
NU_NODISCARD bool nu_user_become(const struct nu_user *u, bool dumpable, struct nu_diags *d);

#endif
