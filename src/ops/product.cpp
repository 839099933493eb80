// Matrix products of float32 CPU tensors, by the library that is faster on this processor.
//
// LibTorch takes MKL for them, which on AMD processors runs a kernel of AVX2's width: oneDNN's, which LibTorch brings
// too, is about twice as fast there where the processor has AVX-512. The choice depends on the processor alone, so that
// a run resumes to the same bits.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstdlib>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/ops/ops.h"
#include "ops/simd/table.h"

namespace kaem::ops {
namespace {

using at::Tensor;

/// x [N,K], w [O,K] -> x wᵀ [N,O], by oneDNN.
using Linear = Tensor(const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias, std::string_view attribute,
                      c10::List<std::optional<at::Scalar>> scalars, std::optional<std::string_view> algorithm);

bool is_amd() {
#if defined(__x86_64__)
  return __builtin_cpu_is("amd") != 0;
#else
  return false;
#endif
}

/// oneDNN's operator where it is to be used, else nothing.
const std::optional<c10::TypedOperatorHandle<Linear>>& onednn() {
  static const std::optional<c10::TypedOperatorHandle<Linear>> handle =
      []() -> std::optional<c10::TypedOperatorHandle<Linear>> {
    const char* forced = std::getenv("KAEM_PRODUCTS");
    const std::string_view wish = forced != nullptr ? forced : "";
    if (!wish.empty() && wish != "mkl" && wish != "onednn")
      throw UsageError(str("KAEM_PRODUCTS=", wish, ": expected mkl or onednn"));
    const bool faster = is_amd() && simd::kernels().width >= 16;
    if (wish == "mkl" || (wish.empty() && !faster) || !at::hasMKLDNN()) return std::nullopt;
    const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!found) return std::nullopt;
    return found->typed<Linear>();
  }();
  return handle;
}

/// Below this many multiply-adds the detour costs more than it gains.
constexpr int64_t kLeastWork = 1 << 16;

Tensor dense(const Tensor& t) { return t.is_non_overlapping_and_dense() ? t : t.contiguous(); }

Tensor plain_product(const Tensor& a, const Tensor& b) {
  const auto fits = [](const Tensor& t) { return t.is_cpu() && t.scalar_type() == at::kFloat; };
  if (fits(a) && fits(b) && a.size(0) * a.size(1) * b.size(1) >= kLeastWork && at::globalContext().userEnabledMkldnn())
    if (const auto& linear = onednn())
      return linear->call(dense(a), dense(b).t(), std::nullopt, "none", c10::List<std::optional<at::Scalar>>(), "");
  return at::mm(a, b);
}

/// Operands of one type, or rounded ones, whose product is float32 again.
Tensor rounded_product(const Tensor& a, const Tensor& b, Precision precision) {
  if (precision == Precision::kFull) return plain_product(a, b);
  return at::mm(round_to(a, precision), round_to(b, precision)).to(at::kFloat);
}

struct Product : torch::autograd::Function<Product> {
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& a_in, const Tensor& b_in,
                        int64_t precision_number) {
    const auto precision = static_cast<Precision>(precision_number);
    const Tensor a = round_to(a_in, precision), b = round_to(b_in, precision);
    ctx->saved_data["precision"] = precision_number;
    ctx->save_for_backward({a, b});
    return rounded_product(a, b, precision);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto precision = static_cast<Precision>(ctx->saved_data["precision"].toInt());
    // Rounded operands have no history.
    TORCH_CHECK_NOT_IMPLEMENTED(precision == Precision::kFull || !c10::GradMode::is_enabled(),
                                "product: no second derivatives in bfloat16");
    const Tensor grad = round_to(grads[0], precision);
    Tensor a, b;
    if (ctx->needs_input_grad(0)) a = product(grad, saved[1].t(), precision);
    if (ctx->needs_input_grad(1)) b = product(saved[0].t(), grad, precision);
    return {a, b, {}};
  }
};

}  // namespace

Tensor round_to(const Tensor& t, Precision precision) {
  return precision == Precision::kBFloat16 ? t.to(at::kBFloat16) : t;
}

Tensor product(const Tensor& a, const Tensor& b, Precision precision) {
  TORCH_CHECK_VALUE(a.dim() == 2 && b.dim() == 2 && a.size(1) == b.size(0),
                    "product: expected a [N,K] and b [K,O], got ", a.sizes(), " and ", b.sizes());
  if (c10::GradMode::is_enabled() && (a.requires_grad() || b.requires_grad()))
    return Product::apply(a, b, static_cast<int64_t>(precision));
  return rounded_product(a, b, precision);
}

std::string_view product_library() { return onednn() ? "oneDNN" : "MKL"; }

}  // namespace kaem::ops
