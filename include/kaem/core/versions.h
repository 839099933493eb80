#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace kaem {

/// Tensors and how often each was written to: what was derived from them is stale once they are written to again.
class Versions {
 public:
  explicit Versions(const std::vector<at::Tensor>& tensors) {
    for (const auto& t : tensors) versions_.emplace_back(t, t._version());
  }

  /// True if none of the tensors was written to since.
  bool current() const {
    for (const auto& [tensor, version] : versions_)
      if (static_cast<int64_t>(tensor._version()) != version) return false;
    return true;
  }

 private:
  std::vector<std::pair<at::Tensor, int64_t>> versions_;
};

}  // namespace kaem
