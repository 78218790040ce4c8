#include "codec/yaml/print.h"
#include "config/overload_build.h"
__attribute__((weak)) void nu_yaml_print(struct nu_sb *o, const struct nu_tree *t){(void)o;(void)t;}
__attribute__((weak)) bool nu_overload_build(struct nu_factory *f, const struct envoy_config_overload_v3_OverloadManager *m, uint64_t *x){(void)f;(void)m;(void)x;return true;}
