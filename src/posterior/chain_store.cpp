#include "posterior/chain_store.h"

#include <ATen/ATen.h>
#include <unistd.h>

#include <filesystem>

#include "kaem/core/error.h"
#include "kaem/dist/group.h"

namespace kaem {
namespace {

using at::Tensor;

constexpr int64_t kMostInMemory = int64_t{1} << 30;  // bytes

/// A file that is deleted at once and lives as long as it is mapped.
Tensor mapped_zeros(const std::vector<int64_t>& sizes, const std::string& folder) {
  std::filesystem::create_directories(folder);
  const std::string path = folder + "/chains." + std::to_string(::getpid()) + ".tmp";
  const int64_t count = c10::multiply_integers(sizes);
  Tensor states = at::from_file(path, /*shared=*/true, count, at::kHalf);
  if (::unlink(path.c_str()) != 0) throw Error(path + ": cannot be removed after mapping it");
  return states.reshape(sizes);
}

}  // namespace

ChainStore::ChainStore(int64_t data, int64_t levels, int64_t chains, std::vector<int64_t> latent,
                       const std::string& folder) {
  std::vector<int64_t> sizes = {data, levels, chains};
  sizes.insert(sizes.end(), latent.begin(), latent.end());
  const bool large = 2 * c10::multiply_integers(sizes) > kMostInMemory;
  states_ = large && !folder.empty() ? mapped_zeros(sizes, folder) : at::zeros(sizes, at::kHalf);
  started_ = at::zeros({data}, at::kByte);
}

Tensor ChainStore::load(const Tensor& index, const Tensor& fresh, double lower, double upper) const {
  const Tensor kept = states_.index_select(0, index).transpose(0, 1).to(fresh.options()).clamp(lower, upper);
  std::vector<int64_t> per_datum(static_cast<size_t>(fresh.dim()), 1);
  per_datum[1] = index.size(0);
  const Tensor started = started_.index_select(0, index).to(at::kBool).reshape(per_datum).to(fresh.device());
  return at::where(started, kept, fresh);
}

void ChainStore::share(const Tensor& index, const dist::Group& group) {
  const Tensor all = group.gather(index);
  states_.index_copy_(0, all, group.gather(states_.index_select(0, index)));
  started_.index_fill_(0, all, 1);
}

void ChainStore::store(const Tensor& index, const Tensor& z) {
  states_.index_copy_(0, index, z.transpose(0, 1).to(at::kCPU, at::kHalf));
  started_.index_fill_(0, index, 1);
}

}  // namespace kaem
