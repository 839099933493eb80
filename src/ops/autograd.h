#pragma once

// What the autograd nodes of the fused operators share. Each operator is one node, whose backward pass is a fused
// operator too.

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <initializer_list>

#include "ops/op.h"

namespace kaem::ops {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

/// Whether a gradient of any of them is wanted.
inline bool wants(std::initializer_list<Tensor> inputs) {
  return c10::GradMode::is_enabled() &&
         std::any_of(inputs.begin(), inputs.end(), [](const Tensor& t) { return t.defined() && t.requires_grad(); });
}

/// Room for a gradient of t, where it is wanted.
inline Tensor space_like(const Tensor& t, bool wanted) {
  return wanted ? at::empty_like(t, at::MemoryFormat::Contiguous) : Tensor();
}

/// A fused backward builds no graph: silence would be a wrong second derivative.
inline void refuse_second_order(const char* name) {
  TORCH_CHECK_NOT_IMPLEMENTED(!c10::GradMode::is_enabled(), name,
                              ": second derivatives need float64 tensors (the plain-ATen reference)");
}

inline void save_spec(AutogradContext* ctx, const Spec& spec) {
  ctx->saved_data["spec"] = std::vector<int64_t>(spec.begin(), spec.end());
}

inline Spec saved_spec(AutogradContext* ctx) {
  const std::vector<int64_t> numbers = ctx->saved_data["spec"].toIntVector();
  return {numbers[0], numbers[1], numbers[2]};
}

}  // namespace kaem::ops
