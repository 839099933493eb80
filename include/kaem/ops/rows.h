#pragma once

#include <ATen/core/Tensor.h>

namespace kaem::ops {

/// Which rows are worth computing where importance weights or their gradients leave few that count: `used` (bool [n])
/// -> int64 [m], ascending: all that are used and some that are not, as m is a multiple of 32 (for every new number of
/// rows oneDNN compiles a product and keeps it, which takes longer than the product). None [0] if none is used.
/// Undefined where leaving out the others would not pay (m above ¾ n), and on a GPU unless `wait`, as their number has
/// to be waited for.
at::Tensor rows_in_use(const at::Tensor& used, bool wait = false);

}  // namespace kaem::ops
