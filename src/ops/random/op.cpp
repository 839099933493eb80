#include "ops/random/op.h"

namespace kaem::ops {

TORCH_LIBRARY_FRAGMENT(kaem, m) { raw::fill_random.define(m); }

}  // namespace kaem::ops
