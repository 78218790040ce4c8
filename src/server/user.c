/* SPDX-License-Identifier: Apache-2.0 */
#include "server/user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"

static const struct passwd *look_up(const char *name)
{
    uint64_t uid;
    const struct passwd *p = getpwnam(name);
    if (p == NULL && nu_str_to_u64(nu_str_from(name), &uid) && uid < UINT32_MAX)
        p = getpwuid((uid_t)uid);
    return p;
}

static bool report(struct nu_diags *d, const char *what, const char *name)
{
    nu_diag_add(d, NU_DIAG_ERROR, NU_STR("--user"), (struct nu_pos){0}, NU_STR(""), "%s: %s", name, what);
    return false;
}

bool nu_user_find(const char *name, struct nu_user *out, struct nu_diags *d)
{
    const struct passwd *p = look_up(name);
    if (p == NULL)
        return report(d, "there is no such user", name);
    *out = (struct nu_user){.name = name, .uid = p->pw_uid, .gid = p->pw_gid};
    if (geteuid() != 0 && geteuid() != out->uid)
        return report(d, "only root can become another user", name);
    return true;
}

bool nu_user_become(const struct nu_user *u, bool dumpable, struct nu_diags *d)
{
    if (geteuid() != 0) /* it is this user already */
        return true;
    const struct passwd *p = getpwuid(u->uid);
    if (p == NULL || initgroups(p->pw_name, u->gid) != 0 || setresgid(u->gid, u->gid, u->gid) != 0 ||
        setresuid(u->uid, u->uid, u->uid) != 0)
        return report(d, strerror(errno), u->name);
    if (u->uid != 0 && (setuid(0) == 0 || geteuid() != u->uid))
        return report(d, "root's rights did not go", u->name);
    if (dumpable)
        prctl(PR_SET_DUMPABLE, 1); /* the change of users has switched it off */
    nu_log(main, NU_LOG_INFO, "runs as user %s (%u:%u)", u->name, u->uid, u->gid);
    return true;
}
