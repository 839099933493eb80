#pragma once

#include <ATen/core/Tensor.h>

#include "data/formats/mat.h"

namespace kaem {

/// The array with its axes in reverse, so that it is contiguous: MATLAB's first axis is the last here.
at::Tensor to_tensor(const MatArray& array);

}  // namespace kaem
