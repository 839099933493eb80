#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kaem/ops/bases.h"

/// The words and numbers that say which functions an operator computes: free of tensors, so that options can hold them.
namespace kaem::ops {

/// What operands of a product are rounded to; sums are float32, results of bfloat16 operands are rounded once more.
enum class Precision : int64_t { kFull, kBFloat16 };

/// What a basis needs beside its tensors.
struct BasisSpec {
  BasisKind kind = BasisKind::kRbf;
  int64_t degree = 3;  ///< B-spline and Chebyshev degree; ignored by the others
  Activation activation = Activation::kNone;
};

/// Configuration words of the activations ("silu" and its alias "swish", ...); parse_activation throws ConfigError.
std::vector<std::string> activation_names();
Activation parse_activation(std::string_view name);

}  // namespace kaem::ops
