#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <utility>

namespace kaem {

/// A value made from a tensor alone: made when first asked for, and anew where the tensor was written to, moved, or has
/// a gradient to be followed.
template <class Value>
class MadeFrom {
 public:
  template <class Make>
  const Value& get(const at::Tensor& source, Make&& make) {
    if (!value_ || source.requires_grad() || !is_same(source)) {
      value_ = std::forward<Make>(make)();
      source_ = source.detach(), version_ = source._version();  // shares memory, which therefore stays its own
    }
    return *value_;
  }

 private:
  bool is_same(const at::Tensor& source) const {
    return source.const_data_ptr() == source_.const_data_ptr() && source._version() == version_ &&
           source.sizes() == source_.sizes() && source.scalar_type() == source_.scalar_type() &&
           source.device() == source_.device();
  }

  std::optional<Value> value_;
  at::Tensor source_;
  int64_t version_ = 0;
};

}  // namespace kaem
