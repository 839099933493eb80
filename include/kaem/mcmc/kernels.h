#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

/// The Markov chain kernels by name, without LibTorch. docs/adding-a-variant.md.
namespace kaem::mcmc {

struct Kernel;
struct KernelOptions;
struct Target;

struct KernelRow {
  std::string_view name;
  Kernel (*make)(const Target& target, const KernelOptions& options);
  bool exact = true;        ///< leaves the target invariant (an acceptance step)
  bool white = false;       ///< moves in white coordinates: needs Target::whitening, and takes no preconditioner
  bool adapts = false;      ///< finds the size of each step by itself
  bool recordable = false;  ///< every step is the same work, whatever the chains do: a GPU may record it
};

/// All of them: options, commands, messages and tests read this table.
std::span<const KernelRow> kernels();

/// ConfigError for an unknown name.
const KernelRow& find_kernel(std::string_view name);

/// ConfigError for a kernel that takes no preconditioner; nothing for what is no kernel.
void check_takes_scales(std::string_view name);

std::vector<std::string> kernel_names();
std::vector<std::string> exact_kernel_names();

}  // namespace kaem::mcmc
