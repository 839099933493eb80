#include "buckets.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <ranges>

namespace kaem {

using at::Tensor;

namespace {

constexpr int64_t kBytes =
    int64_t{1} << 20;  // of a piece: large enough that its way costs little, small enough to overlap

bool alike(const Tensor& a, const Tensor& b) { return a.scalar_type() == b.scalar_type() && a.device() == b.device(); }

}  // namespace

GradientSums::GradientSums(const std::vector<NamedParameter>& parameters, const dist::Group& group) : group_(group) {
  std::vector<int64_t> sizes;
  for (const auto& p : std::views::reverse(parameters)) {
    const bool fits = !slots_.empty() && alike(slots_.back().parameter, p.value) &&
                      (sizes.back() + p.value.numel()) * p.value.element_size() <= kBytes;
    if (!fits) sizes.push_back(0);
    slots_.push_back({p.value, {}, sizes.size() - 1});
    sizes.back() += p.value.numel();
  }
  buckets_.resize(sizes.size());
  std::vector<int64_t> used(sizes.size(), 0);
  for (auto& slot : slots_) {
    Bucket& bucket = buckets_[slot.bucket];
    if (!bucket.flat.defined()) bucket.flat = at::empty({sizes[slot.bucket]}, slot.parameter.options());
    slot.piece = bucket.flat.narrow(0, used[slot.bucket], slot.parameter.numel());
    used[slot.bucket] += slot.parameter.numel(), ++bucket.missing;
  }
  // Called on the thread that runs the backward pass; slots_ stays where it is.
  for (auto& slot : slots_)
    slot.hook = slot.parameter.register_hook([this, &slot](const Tensor& gradient) { take(slot, gradient); });
}

GradientSums::~GradientSums() {
  for (auto& slot : slots_) slot.parameter.remove_hook(slot.hook);
}

void GradientSums::take(Slot& slot, const Tensor& gradient) {
  const at::NoGradGuard no_grad;
  slot.piece.copy_(gradient.flatten());
  if (const Tensor& before = slot.parameter.grad(); before.defined()) slot.piece.add_(before.flatten());
  slot.made = true, --buckets_[slot.bucket].missing;
  start_complete();
}

void GradientSums::start_complete() {
  for (; started_ < buckets_.size() && buckets_[started_].missing == 0; ++started_)
    buckets_[started_].sum = group_.start_sum(buckets_[started_].flat);
}

void GradientSums::finish() {
  const at::NoGradGuard no_grad;
  const Tensor made = at::zeros({static_cast<int64_t>(slots_.size())});
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    const Tensor& before = slot.parameter.grad();
    if (slot.made || before.defined()) made[static_cast<int64_t>(i)].fill_(1);
    if (slot.made) continue;
    before.defined() ? slot.piece.copy_(before.flatten()) : slot.piece.zero_();  // of an earlier part alone, or of none
    --buckets_[slot.bucket].missing;
  }
  start_complete();
  group_.sum(made);
  for (auto& bucket : buckets_) group_.wait(*bucket.sum);
  for (size_t i = 0; i < slots_.size(); ++i)
    if (made[static_cast<int64_t>(i)].item<float>() > 0)
      slots_[i].parameter.mutable_grad() = slots_[i].piece.view_as(slots_[i].parameter);
}

}  // namespace kaem
