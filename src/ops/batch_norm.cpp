#include "kaem/ops/batch_norm.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

namespace kaem::ops {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext, torch::autograd::variable_list;

constexpr double kMomentum = 0.1, kEpsilon = kBatchNormEpsilon;  // PyTorch's

/// What the backward pass needs of a BatchShare.
struct Kept : torch::CustomClassHolder {
  explicit Kept(BatchShare s) : share(std::move(s)) {}
  BatchShare share;
};

/// What bfloat16 is computed in, too.
at::ScalarType full_type(const Tensor& x) { return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }

/// How much each row counts, [n,1,1,1].
Tensor row_weights(const Tensor& x, const BatchShare& share) {
  Tensor w = at::ones({x.size(0), 1, 1, 1}, x.options());
  if (share.alike > 0) w.narrow(0, 0, share.alike).fill_(1.0 / static_cast<double>(share.processes));
  return w;
}

Tensor per_channel(const Tensor& x) { return x.sum(at::IntArrayRef{0, 2, 3}, /*keepdim=*/false, at::kDouble); }

/// Channel values [C] against images x.
Tensor spread(const Tensor& values, const Tensor& x) { return values.to(x.scalar_type()).reshape({1, -1, 1, 1}); }

struct Shared : torch::autograd::Function<Shared> {
  static Tensor forward(AutogradContext* ctx, const Tensor& given, const Tensor& weight, const Tensor& bias,
                        const Tensor& running_mean, const Tensor& running_variance, const BatchShare& share) {
    const Tensor x = given.to(full_type(given)), w = row_weights(x, share);
    const auto pixels = static_cast<double>(x.size(2) * x.size(3));
    // The mean first and the squares of what differs from it: one pass would cancel.
    const Tensor first = at::cat({per_channel(w * x), (w.sum(at::kDouble) * pixels).reshape({1})});
    share.sum(first);
    const Tensor count = first[-1], mean = first.slice(0, 0, -1) / count;
    const Tensor centred = x - spread(mean, x), second = per_channel(w * centred.square());
    share.sum(second);
    const Tensor variance = second / count, inverse = (variance + kEpsilon).rsqrt();
    const Tensor standard = centred * spread(inverse, x);
    running_mean.mul_(1 - kMomentum).add_(kMomentum * mean);
    running_variance.mul_(1 - kMomentum).add_(kMomentum * variance * count / (count - 1));
    ctx->save_for_backward({standard, spread(inverse, x), weight, w / count.to(x.scalar_type())});
    ctx->saved_data["share"] = c10::IValue::make_capsule(c10::make_intrusive<Kept>(share));
    return (standard * spread(weight, x) + spread(bias, x)).to(given.scalar_type());
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    TORCH_CHECK_NOT_IMPLEMENTED(!c10::GradMode::is_enabled(), "batch_norm over processes: no second derivatives");
    const auto saved = ctx->get_saved_variables();
    const Tensor &standard = saved[0], &inverse = saved[1], &weight = saved[2], &w = saved[3];
    const auto kept = c10::static_intrusive_pointer_cast<Kept>(ctx->saved_data["share"].toCapsule());
    const Tensor g = grads[0].to(standard.scalar_type()), own = at::stack({per_channel(g), per_channel(g * standard)});
    const Tensor all = own.clone();
    kept->share.sum(all);
    const Tensor to_x = spread(weight, g) * inverse * (g - w * (spread(all[0], g) + standard * spread(all[1], g)));
    return {
        to_x.to(grads[0].scalar_type()), own[1].to(weight.scalar_type()), own[0].to(weight.scalar_type()), {}, {}, {}};
  }
};

}  // namespace

Tensor batch_norm(const Tensor& x, const BatchNorm& norm, bool training, const BatchShare& share) {
  if (!training || !share.sum)
    return at::batch_norm(x, norm.weight, norm.bias, norm.running_mean, norm.running_variance, training, kMomentum,
                          kEpsilon, /*cudnn_enabled=*/true);
  return Shared::apply(x, norm.weight, norm.bias, norm.running_mean, norm.running_variance, share);
}

}  // namespace kaem::ops
