#include "base/sb.h"
#include "codec/tree.h"
void nu_yaml_print(struct nu_sb *out, const struct nu_tree *t);
