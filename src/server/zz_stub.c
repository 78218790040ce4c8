#include "config/overload_build.h"
__attribute__((weak)) bool nu_overload_build(struct nu_factory *f, const struct envoy_config_overload_v3_OverloadManager *m, uint64_t *x){(void)f;(void)m;(void)x;return true;}
