/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* v == 0.d1d2d3... * 10^point, v > 0. */
struct digits {
    char d[20];
    int n, point;
};

static struct digits shortest(double v)
{
    struct digits r = {.n = 0};
    char text[40];
    for (int precision = 0; precision < 17; precision++) {
        (void)snprintf(text, sizeof(text), "%.*e", precision, v);
        if (strtod(text, NULL) >= v && strtod(text, NULL) <= v)
            break;
    }
    const char *e = strchr(text, 'e');
    for (const char *p = text; p < e; p++)
        if (*p != '.')
            r.d[r.n++] = *p;
    while (r.n > 1 && r.d[r.n - 1] == '0')
        r.n--;
    r.point = (int)strtol(e + 1, NULL, 10) + 1;
    return r;
}

static void write_fixed(struct nu_sb *sb, const struct digits *g)
{
    if (g->point <= 0)
        nu_sb_lit(sb, "0.");
    for (int i = g->point; i < 0; i++)
        nu_sb_char(sb, '0');
    for (int i = 0; i < g->n || i < g->point; i++) {
        if (i > 0 && i == g->point)
            nu_sb_char(sb, '.');
        nu_sb_char(sb, i < g->n ? g->d[i] : '0');
    }
}

static void write_exponent(struct nu_sb *sb, const struct digits *g)
{
    nu_sb_char(sb, g->d[0]);
    if (g->n > 1)
        nu_sb_char(sb, '.');
    nu_sb_add(sb, nu_str_make(g->d + 1, (size_t)g->n - 1));
    nu_sb_printf(sb, "e%+03d", g->point - 1);
}

static size_t fixed_length(const struct digits *g)
{
    if (g->point <= 0)
        return (size_t)(2 - g->point + g->n);
    return (size_t)(g->n > g->point ? g->n + 1 : g->point);
}

/* Writes what is not a positive number; false: v is one. */
static bool special(struct nu_sb *sb, double *v, nu_str nan)
{
    if (isnan(*v)) {
        nu_sb_add(sb, nan);
        return true;
    }
    if (signbit(*v))
        nu_sb_char(sb, '-');
    *v = fabs(*v);
    if (*v <= 0)
        nu_sb_char(sb, '0');
    else if (isinf(*v))
        nu_sb_lit(sb, "inf");
    else
        return false;
    return true;
}

void nu_sb_double(struct nu_sb *sb, double v)
{
    if (special(sb, &v, NU_STR("nan")))
        return;
    struct digits g = shortest(v);
    if (g.point > 16 || g.point < -3)
        write_exponent(sb, &g);
    else
        write_fixed(sb, &g);
}

void nu_sb_json_double(struct nu_sb *sb, double v)
{
    if (special(sb, &v, NU_STR("null")))
        return;
    struct digits g = shortest(v);
    size_t exponent_length = (size_t)(g.n > 1 ? g.n + 1 : 1) + (abs(g.point - 1) >= 100 ? 5 : 4);
    if (exponent_length < fixed_length(&g))
        write_exponent(sb, &g);
    else
        write_fixed(sb, &g);
}
