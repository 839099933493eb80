#include "kaem/mcmc/kernels.h"

#include <algorithm>
#include <array>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/mcmc/kernel.h"

namespace kaem::mcmc {
namespace {

constexpr auto kKernels = std::to_array<KernelRow>({
    {.name = "ula", .make = ula, .exact = false, .recordable = true},
    {.name = "mala", .make = mala},
    {.name = "automala", .make = automala, .adapts = true},
    {.name = "pcnl", .make = pcnl, .white = true},
});

}  // namespace

std::span<const KernelRow> kernels() { return kKernels; }

const KernelRow& find_kernel(std::string_view name) {
  const auto row =
      std::find_if(kKernels.begin(), kKernels.end(), [&](const auto& r) { return same_name(r.name, name); });
  if (row == kKernels.end()) throw ConfigError(unknown_name_message("sampler", name, kernel_names()));
  return *row;
}

void check_takes_scales(std::string_view name) {
  for (const auto& row : kKernels)
    if (row.white && same_name(row.name, name))
      throw ConfigError(str("has no meaning for ", row.name, ", whose coordinates are white; expected auto or none"));
}

std::vector<std::string> kernel_names() { return names_of(kKernels); }

std::vector<std::string> exact_kernel_names() {
  std::vector<std::string> names;
  for (const auto& row : kKernels)
    if (row.exact) names.emplace_back(row.name);
  return names;
}

Kernel make_kernel(const Target& target, const KernelOptions& options) {
  return find_kernel(options.name).make(target, options);
}

}  // namespace kaem::mcmc
