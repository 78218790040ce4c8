#include "admin/admin.h"
#include "codec/pb/wire.h"
#include "codec/pb/print.h"
#include "codec/yaml/print.h"
#include "config/overload_build.h"
__attribute__((weak)) void nu_yaml_print(struct nu_sb *o, const struct nu_tree *t){(void)o;(void)t;}
__attribute__((weak)) struct nu_admin *nu_admin_new(struct nu_server *s, const struct nu_admin_hooks *h){(void)s;(void)h;return NULL;}
__attribute__((weak)) struct nu_listener_conf *nu_admin_listener_new(struct nu_admin *a, struct nu_factory *f, const struct envoy_config_bootstrap_v3_Admin *m){(void)a;(void)f;(void)m;return NULL;}
__attribute__((weak)) const struct nu_address *nu_admin_address(const struct nu_admin *a){(void)a;return NULL;}
__attribute__((weak)) void nu_admin_free(struct nu_admin **a){(void)a;}
__attribute__((weak)) void nu_pb_encode(struct nu_sb *o, const void *m){(void)o;(void)m;}
__attribute__((weak)) struct nu_pb_msg *nu_pb_decode(struct nu_arena *a, struct nu_diags *d, nu_str file, nu_str bytes,const struct nu_pb_type *type, const struct nu_pb_wire_options *options){(void)a;(void)d;(void)file;(void)bytes;(void)type;(void)options;return NULL;}
__attribute__((weak)) void nu_pb_print_json(struct nu_sb *out, const void *msg, const struct nu_pb_print_options *o){(void)out;(void)msg;(void)o;}
__attribute__((weak)) bool nu_overload_build(struct nu_factory *f, const struct envoy_config_overload_v3_OverloadManager *m, uint64_t *x){(void)f;(void)m;(void)x;return true;}
