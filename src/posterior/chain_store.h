#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace kaem {

namespace dist {
class Group;
}

/// Chain states of every training datum, kept between its updates as float16 (mapped from disk where large).
class ChainStore {
 public:
  /// `levels` x `chains` states of shape `latent` for each of `data`; `folder` holds the mapped file (empty: memory).
  ChainStore(int64_t data, int64_t levels, int64_t chains, std::vector<int64_t> latent, const std::string& folder);

  /// States of data `index` (int64 [B]) where there are some, else those of `fresh` [T,B,N,latent...], within
  /// [lower, upper].
  at::Tensor load(const at::Tensor& index, const at::Tensor& fresh, double lower, double upper) const;

  void store(const at::Tensor& index, const at::Tensor& z);

  /// Takes over what the other processes of a group have stored: `index` names what was stored here since the last
  /// call.
  void share(const at::Tensor& index, const dist::Group& group);

  std::vector<std::pair<std::string, at::Tensor>> named_state() const {
    return {{"chains", states_}, {"chains_started", started_}};
  }

 private:
  at::Tensor states_;   ///< float16 [data, T, N, latent...]
  at::Tensor started_;  ///< uint8 [data]
};

}  // namespace kaem
